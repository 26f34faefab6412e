"""The id of a press is given once: after the newest is deleted, what learned from it names no other press.

Revision: 0006, follows 0005
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _rebuild(is_given_once=True)


def downgrade() -> None:
    _rebuild(is_given_once=False)


def _rebuild(*, is_given_once: bool) -> None:
    if op.get_context().dialect.name != "sqlite":  # elsewhere a sequence counts, and never goes back
        return
    kept = {"sqlite_autoincrement": is_given_once}
    with op.batch_alter_table("vote_events", recreate="always", table_kwargs=kept) as batch:
        if not is_given_once:
            batch.create_primary_key(op.f("pk_vote_events"), ["id"])
