"""Installing the app from a browser in many workspaces: Slack's own flow over our store.

The redirect address is the one in the app's configuration; Slack takes it from there where the link names none.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from slack_bolt.oauth.async_callback_options import (
    AsyncCallbackOptions,
    AsyncFailureArgs,
    AsyncSuccessArgs,
)
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store.sqlalchemy import AsyncSQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import AsyncSQLAlchemyOAuthStateStore
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator

from bot.slack.clients import Clients, StoredAccounts, Workspace
from bot.slack.installations import InstallationStore, TokenCipher
from bot.slack.sdk_logs import sdk_logger
from bot.slack.surface import INSTALL_PATH, REDIRECT_PATH, SCOPES
from core.logs import get_logger
from core.settings import Settings
from storage.database import Database

STATE_SECONDS = 600
log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """The parts of an app for many workspaces."""

    accounts: StoredAccounts
    store: InstallationStore
    flow: AsyncOAuthFlow


def open_oauth(settings: Settings, database: Database, clients: Clients) -> OAuth:
    """Put the flow together over our database.

    Raises:
        ConfigError: TOKEN_ENCRYPTION_KEYS holds something else than Fernet keys.
    """
    client_id, client_secret, keys = _credentials(settings)
    engine: Any = database.engine_for_sdk()
    inner = AsyncSQLAlchemyInstallationStore(client_id=client_id, engine=engine, logger=sdk_logger())
    store = InstallationStore(inner, TokenCipher(keys))
    rotator = AsyncTokenRotator(client_id=client_id, client_secret=client_secret, client=clients.bare)
    accounts = StoredAccounts(store, rotator)
    states = AsyncSQLAlchemyOAuthStateStore(expiration_seconds=STATE_SECONDS, engine=engine, logger=sdk_logger())
    oauth_settings = AsyncOAuthSettings(
        client_id=client_id,
        client_secret=client_secret,
        scopes=SCOPES,
        user_scopes=[],
        install_path=INSTALL_PATH,
        redirect_uri_path=REDIRECT_PATH,
        authorization_url=urljoin(settings.slack_api_base, "/oauth/v2/authorize"),
        installation_store=store,
        installation_store_bot_only=True,
        state_store=states,
        state_expiration_seconds=STATE_SECONDS,
        callback_options=AsyncCallbackOptions(success=_succeeded(accounts), failure=_failed),
        logger=sdk_logger(),
    )
    flow = AsyncOAuthFlow(client=clients.bare, logger=sdk_logger(), settings=oauth_settings)
    return OAuth(accounts=accounts, store=store, flow=flow)


def _succeeded(accounts: StoredAccounts) -> Any:
    async def succeeded(args: AsyncSuccessArgs) -> BoltResponse:
        installation = args.installation
        workspace = Workspace(team_id=str(installation.team_id), enterprise_id=installation.enterprise_id)
        accounts.forget(workspace)
        log.info("slack.installed", team_id=workspace.team_id)
        return await args.default.success(args)

    return succeeded


async def _failed(args: AsyncFailureArgs) -> BoltResponse:
    log.warning("slack.not_installed", reason=args.reason[:64], error=type(args.error).__name__)
    return await args.default.failure(args)


def _credentials(settings: Settings) -> tuple[str, str, str]:
    client_id, secret, keys = settings.slack_client_id, settings.slack_client_secret, settings.token_encryption_keys
    assert client_id is not None and secret is not None and keys is not None, "slack_mode decided for OAuth"
    return client_id, secret.get_secret_value(), keys.get_secret_value()
