"""What Discord and Slack need: kinds and privacy of requests, delivery, favourites, feedback, audit, installations.

Revision: 0002, follows 0001

New columns that are never empty come in three steps, for the rows that are there already: added, filled, closed.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def one_of(table: str, column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{column}"))


def upgrade() -> None:
    upgrade_people()
    upgrade_requests()
    upgrade_votes()
    upgrade_outbox()
    upgrade_seen_events()
    create_words()
    create_audit()
    create_slack()
    create_synced_commands()


def downgrade() -> None:
    op.drop_table("synced_commands")
    for table in ("slack_oauth_states", "slack_bots", "slack_installations", "audit_events", "feedback", "favorites"):
        op.drop_table(table)
    downgrade_seen_events()
    downgrade_outbox()
    downgrade_votes()
    downgrade_requests()
    downgrade_people()


def upgrade_people() -> None:
    with op.batch_alter_table("workspaces") as batch:
        batch.add_column(sa.Column("midjourney_version", sa.String(length=16), nullable=True))
        batch.add_column(sa.Column("aspect_ratio", sa.Text(), nullable=True))
        batch.add_column(sa.Column("is_private", sa.Boolean(), nullable=True))
        batch.add_column(sa.Column("max_requests_per_day", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("language", sa.Text(), nullable=True))
    op.execute("UPDATE workspaces SET is_private = false")
    with op.batch_alter_table("workspaces") as batch:
        batch.alter_column("is_private", existing_type=sa.Boolean(), nullable=False)
    with op.batch_alter_table("users") as batch:
        batch.add_column(sa.Column("locale", sa.Text(), nullable=True))
    op.create_index(op.f("ix_users_workspace_id"), "users", ["workspace_id"])


def downgrade_people() -> None:
    op.drop_index(op.f("ix_users_workspace_id"), "users")
    with op.batch_alter_table("users") as batch:
        batch.drop_column("locale")
    with op.batch_alter_table("workspaces") as batch:
        for column in ("midjourney_version", "aspect_ratio", "is_private", "max_requests_per_day", "language"):
            batch.drop_column(column)


def upgrade_requests() -> None:
    with op.batch_alter_table("requests") as batch:
        batch.add_column(sa.Column("conversation_external_id", sa.String(length=200), nullable=True))
        batch.add_column(sa.Column("kind", sa.String(length=16), nullable=True))
        batch.add_column(sa.Column("parent_id", sa.String(length=26), nullable=True))
        batch.add_column(sa.Column("is_private", sa.Boolean(), nullable=True))
        batch.add_column(sa.Column("avoid", sa.JSON(), nullable=True))
    op.execute("UPDATE requests SET kind = 'ask', is_private = false, avoid = '[]'")
    with op.batch_alter_table("requests") as batch:
        batch.alter_column("kind", existing_type=sa.String(length=16), nullable=False)
        batch.alter_column("is_private", existing_type=sa.Boolean(), nullable=False)
        batch.alter_column("avoid", existing_type=sa.JSON(), nullable=False)
        batch.create_check_constraint(op.f("ck_requests_kind"), "kind IN ('ask', 'vary', 'remix', 'reroll')")
        batch.create_foreign_key(
            op.f("fk_requests_parent_id_requests"), "requests", ["parent_id"], ["id"], ondelete="SET NULL"
        )
    for columns in (["workspace_id"], ["parent_id"], ["user_id", "created_at"], ["user_id", "state"]):
        op.create_index(op.f(f"ix_requests_{'_'.join(columns)}"), "requests", columns)


def downgrade_requests() -> None:
    for columns in ("workspace_id", "parent_id", "user_id_created_at", "user_id_state"):
        op.drop_index(op.f(f"ix_requests_{columns}"), "requests")
    with op.batch_alter_table("requests") as batch:
        batch.drop_constraint(op.f("ck_requests_kind"), type_="check")
        batch.drop_constraint(op.f("fk_requests_parent_id_requests"), type_="foreignkey")
        for column in ("conversation_external_id", "kind", "parent_id", "is_private", "avoid"):
            batch.drop_column(column)


def upgrade_votes() -> None:
    with op.batch_alter_table("vote_events") as batch:
        batch.add_column(sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index(op.f("ix_vote_events_candidate_id"), "vote_events")
    op.create_index(
        op.f("ix_vote_events_candidate_id_user_id_occurred_at"),
        "vote_events",
        ["candidate_id", "user_id", "occurred_at"],
    )
    op.drop_index(op.f("ix_votes_candidate_id"), "votes")
    op.create_index(op.f("ix_votes_candidate_id_thumb"), "votes", ["candidate_id", "thumb"])


def downgrade_votes() -> None:
    op.drop_index(op.f("ix_votes_candidate_id_thumb"), "votes")
    op.create_index(op.f("ix_votes_candidate_id"), "votes", ["candidate_id"])
    op.drop_index(op.f("ix_vote_events_candidate_id_user_id_occurred_at"), "vote_events")
    op.create_index(op.f("ix_vote_events_candidate_id"), "vote_events", ["candidate_id"])
    with op.batch_alter_table("vote_events") as batch:
        batch.drop_column("occurred_at")


def upgrade_outbox() -> None:
    with op.batch_alter_table("outbox") as batch:
        batch.add_column(sa.Column("kind", sa.String(length=16), nullable=True))
        batch.add_column(sa.Column("candidate_id", sa.String(length=26), nullable=True))
        batch.add_column(sa.Column("shown", sa.Text(), nullable=True))
        batch.add_column(sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE outbox SET kind = 'answer', looked_at = created_at")
    with op.batch_alter_table("outbox") as batch:
        batch.alter_column("kind", existing_type=sa.String(length=16), nullable=False)
        batch.alter_column("looked_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch.create_check_constraint(op.f("ck_outbox_kind"), "kind IN ('answer', 'share')")
        batch.create_foreign_key(
            op.f("fk_outbox_candidate_id_candidates"), "candidates", ["candidate_id"], ["id"], ondelete="CASCADE"
        )
        batch.drop_column("payload")
    op.create_index(op.f("ix_outbox_candidate_id"), "outbox", ["candidate_id"])


def downgrade_outbox() -> None:
    op.drop_index(op.f("ix_outbox_candidate_id"), "outbox")
    with op.batch_alter_table("outbox") as batch:
        batch.add_column(sa.Column("payload", sa.JSON(), nullable=True))
    op.execute("UPDATE outbox SET payload = '{}'")
    with op.batch_alter_table("outbox") as batch:
        batch.alter_column("payload", existing_type=sa.JSON(), nullable=False)
        batch.drop_constraint(op.f("ck_outbox_kind"), type_="check")
        batch.drop_constraint(op.f("fk_outbox_candidate_id_candidates"), type_="foreignkey")
        for column in ("kind", "candidate_id", "shown", "looked_at"):
            batch.drop_column(column)


def upgrade_seen_events() -> None:
    with op.batch_alter_table("seen_events") as batch:
        batch.add_column(sa.Column("user_id", sa.String(length=26), nullable=True))
    op.execute(
        "UPDATE seen_events SET user_id = (SELECT user_id FROM requests WHERE requests.id = seen_events.request_id)"
    )
    change_request_of_seen_events(ondelete="SET NULL", owner=True)
    op.create_index(op.f("ix_seen_events_user_id"), "seen_events", ["user_id"])


def downgrade_seen_events() -> None:
    op.drop_index(op.f("ix_seen_events_user_id"), "seen_events")
    change_request_of_seen_events(ondelete="CASCADE", owner=False)


def change_request_of_seen_events(*, ondelete: str, owner: bool) -> None:
    with op.batch_alter_table("seen_events") as batch:
        name = op.f("fk_seen_events_request_id_requests")
        batch.drop_constraint(name, type_="foreignkey")
        batch.create_foreign_key(name, "requests", ["request_id"], ["id"], ondelete=ondelete)
        if owner:
            batch.create_foreign_key(
                op.f("fk_seen_events_user_id_users"), "users", ["user_id"], ["id"], ondelete="CASCADE"
            )
        else:
            batch.drop_constraint(op.f("fk_seen_events_user_id_users"), type_="foreignkey")
            batch.drop_column("user_id")


def belongs_to(table: str, column: str, parent: str, *, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{parent}")
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name, ondelete=ondelete)


def create_words() -> None:
    op.create_table(
        "favorites",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("candidate_id", sa.String(length=26), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        belongs_to("favorites", "user_id", "users"),
        belongs_to("favorites", "candidate_id", "candidates"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_favorites")),
        sa.UniqueConstraint("user_id", "candidate_id", name=op.f("uq_favorites_user_id_candidate_id")),
    )
    op.create_index(op.f("ix_favorites_candidate_id"), "favorites", ["candidate_id"])
    op.create_index(op.f("ix_favorites_user_id_id"), "favorites", ["user_id", "id"])
    op.create_table(
        "feedback",
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("candidate_id", sa.String(length=26), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=True),
        sa.Column("correction", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("reason IS NOT NULL OR correction IS NOT NULL", name=op.f("ck_feedback_says_something")),
        one_of("feedback", "reason", "off_topic", "ungrammatical", "wrong_style", "unsafe", "duplicate"),
        belongs_to("feedback", "user_id", "users"),
        belongs_to("feedback", "candidate_id", "candidates"),
        sa.PrimaryKeyConstraint("user_id", "candidate_id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_candidate_id"), "feedback", ["candidate_id"])


def create_audit() -> None:
    actions = ("retrain", "promote", "rollback", "change_settings", "forget", "export", "foreign_id", "uninstall")
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=True),
        sa.Column("workspace_external_id", sa.String(length=200), nullable=True),
        sa.Column("is_allowed", sa.Boolean(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        one_of("audit_events", "action", *actions),
        belongs_to("audit_events", "user_id", "users", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index(op.f("ix_audit_events_user_id"), "audit_events", ["user_id"])


def create_slack() -> None:
    op.create_table(
        "slack_installations",
        *who_installed(),
        sa.Column("enterprise_url", sa.String(length=200), nullable=True),
        *bot(),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("user_token", sa.Text(), nullable=True),
        sa.Column("user_scopes", sa.String(length=1000), nullable=True),
        sa.Column("user_refresh_token", sa.Text(), nullable=True),
        sa.Column("user_token_expires_at", sa.DateTime(), nullable=True),
        sa.Column("incoming_webhook_url", sa.Text(), nullable=True),
        sa.Column("incoming_webhook_channel", sa.String(length=200), nullable=True),
        sa.Column("incoming_webhook_channel_id", sa.String(length=200), nullable=True),
        sa.Column("incoming_webhook_configuration_url", sa.String(length=200), nullable=True),
        sa.Column("token_type", sa.String(length=32), nullable=True),
        *kind_and_time(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_installations")),
    )
    who = ["client_id", "enterprise_id", "team_id"]
    op.create_index("slack_installations_idx", "slack_installations", [*who, "user_id", "installed_at"])
    op.create_table(
        "slack_bots",
        *who_installed(),
        *bot(),
        *kind_and_time(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_bots")),
    )
    op.create_index("slack_bots_idx", "slack_bots", [*who, "installed_at"])
    op.create_table(
        "slack_oauth_states",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=200), nullable=False),
        sa.Column("expire_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_oauth_states")),
    )


def create_synced_commands() -> None:
    op.create_table(
        "synced_commands",
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        one_of("synced_commands", "platform", "web", "terminal", "discord", "slack"),
        sa.PrimaryKeyConstraint("platform", name=op.f("pk_synced_commands")),
    )


def who_installed() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("app_id", sa.String(length=32), nullable=False),
        sa.Column("enterprise_id", sa.String(length=32), nullable=True),
        sa.Column("enterprise_name", sa.String(length=200), nullable=True),
        sa.Column("team_id", sa.String(length=32), nullable=True),
        sa.Column("team_name", sa.String(length=200), nullable=True),
    )


def bot() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("bot_token", sa.Text(), nullable=True),
        sa.Column("bot_id", sa.String(length=32), nullable=True),
        sa.Column("bot_user_id", sa.String(length=32), nullable=True),
        sa.Column("bot_scopes", sa.String(length=1000), nullable=True),
        sa.Column("bot_refresh_token", sa.Text(), nullable=True),
        sa.Column("bot_token_expires_at", sa.DateTime(), nullable=True),
    )


def kind_and_time() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("is_enterprise_install", sa.Boolean(), nullable=False),
        sa.Column("installed_at", sa.DateTime(), nullable=False),
    )
