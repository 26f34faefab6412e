"""Training runs tell how far they are, which process trains them, and that they can be stopped and resumed.

Revision: 0003, follows 0002
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

STATES = "'queued', 'running', 'done', 'failed'"
STATES_WITH_STOPPED = "'queued', 'running', 'stopped', 'done', 'failed'"


def upgrade() -> None:
    op.execute("UPDATE training_runs SET state = 'failed', error = 'ended by an update' WHERE state = 'running'")
    with op.batch_alter_table("training_runs") as batch:
        batch.add_column(sa.Column("folder", sa.Text(), nullable=True))
        batch.add_column(sa.Column("step", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("num_steps", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("loss", sa.Double(), nullable=True))
        batch.add_column(sa.Column("tokens_per_second", sa.Double(), nullable=True))
        batch.add_column(sa.Column("eta_seconds", sa.Double(), nullable=True))
        batch.add_column(sa.Column("host", sa.Text(), nullable=True))
        batch.add_column(sa.Column("process_id", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True))
        batch.drop_constraint(op.f("ck_training_runs_state"), type_="check")
        batch.create_check_constraint(op.f("ck_training_runs_state"), f"state IN ({STATES_WITH_STOPPED})")
    op.create_index(
        "uq_training_runs_running_state",
        "training_runs",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )


def downgrade() -> None:
    op.drop_index("uq_training_runs_running_state", "training_runs")
    op.execute("UPDATE training_runs SET state = 'failed' WHERE state = 'stopped'")
    with op.batch_alter_table("training_runs") as batch:
        batch.drop_constraint(op.f("ck_training_runs_state"), type_="check")
        batch.create_check_constraint(op.f("ck_training_runs_state"), f"state IN ({STATES})")
        for column in ("folder", "step", "num_steps", "loss", "tokens_per_second", "eta_seconds"):
            batch.drop_column(column)
        for column in ("host", "process_id", "heartbeat_at"):
            batch.drop_column(column)
