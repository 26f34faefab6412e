"""Cycles turn votes into adapters that serve, and each vote tells which example it went into.

Revision: 0005, follows 0004
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CYCLE_STATES = (
    "'planned', 'building', 'training', 'evaluating', 'gated', 'canary', 'promoted', 'rejected', 'failed', 'cancelled'"
)
PROMOTION_REASONS = "'canary', 'operator', 'rollback', 'forgotten'"
AUDIT_ACTIONS = "'retrain', 'promote', 'rollback', 'change_settings', 'forget', 'export', 'foreign_id', 'uninstall'"
PLATFORMS = "'web', 'terminal', 'discord', 'slack'"


def upgrade() -> None:
    with op.batch_alter_table("adapters") as batch:
        batch.add_column(sa.Column("sha256", sa.String(64), nullable=True))
        batch.add_column(sa.Column("reason", sa.Text(), nullable=True))
        batch.add_column(sa.Column("num_forgotten", sa.Integer(), server_default=sa.text("0"), nullable=False))
    with op.batch_alter_table("training_examples") as batch:
        batch.add_column(sa.Column("example", sa.String(64), server_default="", nullable=False))
        batch.add_column(sa.Column("label", sa.String(16), nullable=True))
        batch.drop_constraint(op.f("pk_training_examples"), type_="primary")
        batch.create_primary_key(op.f("pk_training_examples"), ["run_id", "vote_event_id", "example"])
    _allow_audit_actions(f"{AUDIT_ACTIONS}, 'cancel_retrain'")
    _create_cycles()
    _create_promotions()
    _create_cycle_messages()


def downgrade() -> None:
    op.drop_table("cycle_messages")
    op.drop_table("promotions")
    op.drop_table("cycles")
    op.execute("DELETE FROM audit_events WHERE action = 'cancel_retrain'")
    _allow_audit_actions(AUDIT_ACTIONS)
    op.execute(
        "DELETE FROM training_examples WHERE EXISTS (SELECT 1 FROM training_examples AS other"
        " WHERE other.run_id = training_examples.run_id AND other.vote_event_id = training_examples.vote_event_id"
        " AND other.example < training_examples.example)"
    )
    with op.batch_alter_table("training_examples") as batch:
        batch.drop_constraint(op.f("pk_training_examples"), type_="primary")
        batch.create_primary_key(op.f("pk_training_examples"), ["run_id", "vote_event_id"])
        batch.drop_column("label")
        batch.drop_column("example")
    with op.batch_alter_table("adapters") as batch:
        for column in ("num_forgotten", "reason", "sha256"):
            batch.drop_column(column)


def _create_cycles() -> None:
    op.create_table(
        "cycles",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("base_model", sa.Text(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("asked_by", sa.String(26), nullable=True),
        sa.Column("run_id", sa.String(26), nullable=True),
        sa.Column("adapter_id", sa.String(26), nullable=True),
        sa.Column("champion_id", sa.String(26), nullable=True),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("feedback", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("gate", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("canary", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("history", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("is_cancel_wanted", sa.Boolean(), nullable=False),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("process_id", sa.Integer(), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("is_open = (finished_at IS NULL)", name=op.f("ck_cycles_open_is_unfinished")),
        sa.CheckConstraint(f"state IN ({CYCLE_STATES})", name=op.f("ck_cycles_state")),
        *_keys("cycles", asked_by="users", run_id="training_runs", adapter_id="adapters", champion_id="adapters"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cycles")),
    )
    for column in ("asked_by", "run_id", "adapter_id", "champion_id"):
        op.create_index(op.f(f"ix_cycles_{column}"), "cycles", [column])
    op.create_index(
        "uq_cycles_open",
        "cycles",
        ["is_open"],
        unique=True,
        sqlite_where=sa.text("is_open"),
        postgresql_where=sa.text("is_open"),
    )


def _create_promotions() -> None:
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("base_model", sa.Text(), nullable=False),
        sa.Column("adapter_id", sa.String(26), nullable=True),
        sa.Column("cycle_id", sa.String(26), nullable=True),
        sa.Column("user_id", sa.String(26), nullable=True),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"reason IN ({PROMOTION_REASONS})", name=op.f("ck_promotions_reason")),
        *_keys("promotions", adapter_id="adapters", cycle_id="cycles", user_id="users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
    )
    for column in ("adapter_id", "cycle_id", "user_id"):
        op.create_index(op.f(f"ix_promotions_{column}"), "promotions", [column])
    op.create_index(op.f("ix_promotions_base_model_id"), "promotions", ["base_model", "id"])


def _create_cycle_messages() -> None:
    op.create_table(
        "cycle_messages",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("cycle_id", sa.String(26), nullable=False),
        sa.Column("user_id", sa.String(26), nullable=True),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("destination", sa.JSON(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"platform IN ({PLATFORMS})", name=op.f("ck_cycle_messages_platform")),
        sa.CheckConstraint("kind IN ('live', 'note')", name=op.f("ck_cycle_messages_kind")),
        sa.CheckConstraint("state IN ('pending', 'sent', 'failed')", name=op.f("ck_cycle_messages_state")),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["cycles.id"], name=op.f("fk_cycle_messages_cycle_id_cycles"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_cycle_messages_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cycle_messages")),
        sa.UniqueConstraint("platform", "key", name=op.f("uq_cycle_messages_platform_key")),
    )
    for column in ("cycle_id", "user_id"):
        op.create_index(op.f(f"ix_cycle_messages_{column}"), "cycle_messages", [column])
    op.create_index(op.f("ix_cycle_messages_state_next_attempt_at"), "cycle_messages", ["state", "next_attempt_at"])


def _allow_audit_actions(actions: str) -> None:
    with op.batch_alter_table("audit_events") as batch:
        batch.drop_constraint(op.f("ck_audit_events_action"), type_="check")
        batch.create_check_constraint(op.f("ck_audit_events_action"), f"action IN ({actions})")


def _keys(table: str, **others: str) -> list[sa.ForeignKeyConstraint]:
    """Return foreign keys that let people and cycles go, but no run and no adapter."""
    return [
        sa.ForeignKeyConstraint(
            [column],
            [f"{other}.id"],
            name=op.f(f"fk_{table}_{column}_{other}"),
            ondelete="SET NULL" if other in ("users", "cycles") else "RESTRICT",
        )
        for column, other in others.items()
    ]
