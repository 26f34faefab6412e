"""The tables of slack_sdk's installation store and OAuth state store, declared so that migrations make them.

They equal `AsyncSQLAlchemyInstallationStore` and `AsyncSQLAlchemyOAuthStateStore` column by column, which a test
compares, but for one thing: what holds a token or a secret address is Text, because an encrypted one is longer than
the 200 characters given to it there. Times are naive UTC, as slack_sdk writes them. Only slack_sdk reads and writes
these rows, through `Database.engine_for_sdk`.
"""

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, MetaData, String, Table, Text

INSTALLATIONS = "slack_installations"
BOTS = "slack_bots"
OAUTH_STATES = "slack_oauth_states"


def declare_slack_tables(metadata: MetaData) -> None:
    """Add the three tables to `metadata`."""
    Table(
        INSTALLATIONS,
        metadata,
        *_who_installed(),
        Column("enterprise_url", String(200)),
        *_bot(),
        Column("user_id", String(32), nullable=False),
        Column("user_token", Text),
        Column("user_scopes", String(1000)),
        Column("user_refresh_token", Text),
        Column("user_token_expires_at", DateTime),
        Column("incoming_webhook_url", Text),
        Column("incoming_webhook_channel", String(200)),
        Column("incoming_webhook_channel_id", String(200)),
        Column("incoming_webhook_configuration_url", String(200)),
        Column("token_type", String(32)),
        *_kind_and_time(),
        Index(f"{INSTALLATIONS}_idx", "client_id", "enterprise_id", "team_id", "user_id", "installed_at"),
    )
    Table(
        BOTS,
        metadata,
        *_who_installed(),
        *_bot(),
        *_kind_and_time(),
        Index(f"{BOTS}_idx", "client_id", "enterprise_id", "team_id", "installed_at"),
    )
    Table(
        OAUTH_STATES,
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("state", String(200), nullable=False),
        Column("expire_at", DateTime, nullable=False),
    )


def _who_installed() -> tuple[Column[object], ...]:
    return (
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("client_id", String(32), nullable=False),
        Column("app_id", String(32), nullable=False),
        Column("enterprise_id", String(32)),
        Column("enterprise_name", String(200)),
        Column("team_id", String(32)),
        Column("team_name", String(200)),
    )


def _bot() -> tuple[Column[object], ...]:
    return (
        Column("bot_token", Text),
        Column("bot_id", String(32)),
        Column("bot_user_id", String(32)),
        Column("bot_scopes", String(1000)),
        Column("bot_refresh_token", Text),
        Column("bot_token_expires_at", DateTime),
    )


def _kind_and_time() -> tuple[Column[object], ...]:
    return (
        Column("is_enterprise_install", Boolean, nullable=False),
        Column("installed_at", DateTime, nullable=False),
    )
