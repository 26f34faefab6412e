"""Connecting to Slack and leaving again, in the way that the settings decide; addresses come from the settings too.

Reconnecting happens by itself from then on. It does not know what else runs beside it.
"""

import asyncio
from contextlib import AsyncExitStack

from pydantic import SecretStr

from bot.gateway import Gateway
from bot.services import Services
from bot.slack.api_errors import translated_errors
from bot.slack.app import create_app, open_desk
from bot.slack.clients import Accounts, BotAccount, Clients, OneAccount, Workspace, WorkspaceClients
from bot.slack.gateway import SlackGateway
from bot.slack.mode import SlackMode, slack_mode
from bot.slack.oauth import OAuth, open_oauth
from bot.slack.site import create_site, start_site
from bot.slack.socket import Socket
from core.errors import AddressGone, ConfigError, PlatformBusy
from core.settings import Settings
from storage.database import Database


class SlackChat:
    """The product on Slack: started once Slack can be reached, with a gateway for delivery from the beginning."""

    def __init__(self, services: Services, settings: Settings, database: Database) -> None:
        self._services = services
        self._settings = settings
        self._database = database
        self._open = AsyncExitStack()
        self._deliverers: WorkspaceClients | None = None
        self._gateway = SlackGateway(self._connected)
        self.port: int | None = None  # of the HTTP modes, once started

    @property
    def gateway(self) -> Gateway:
        return self._gateway

    async def start(self) -> str:
        """Connect; return who the bot is there, once requests come in.

        Raises:
            ConfigError: the settings fit no way, or Slack does not take a token.
            PlatformBusy: Slack cannot be reached now; start again later.
            AddressInUse: another program has SLACK_PORT.
        """
        mode = slack_mode(self._settings)
        if mode is SlackMode.OFF:
            raise ConfigError("Nothing of Slack is set; set SLACK_BOT_TOKEN and SLACK_APP_TOKEN.")
        async with AsyncExitStack() as opening:
            name = await self._started(mode, opening)
            self._open = opening.pop_all()
        return name

    async def ended(self) -> None:
        """Wait for ever: what comes in over HTTP needs no connection, and the socket reconnects by itself."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Leave Slack: nothing more comes in, what is running ends, and what is in the outbox stays there."""
        self._deliverers = None
        await self._open.aclose()

    async def _started(self, mode: SlackMode, opening: AsyncExitStack) -> str:
        clients = Clients(self._settings.slack_api_base)
        opening.push_async_callback(clients.close)
        oauth, accounts, name = await self._accounts(mode, clients)
        desk = open_desk(self._services, clients, accounts)
        store, flow = (None, None) if oauth is None else (oauth.store, oauth.flow)
        app, listeners = create_app(desk, clients, accounts, store=store, flow=flow)
        opening.push_async_callback(desk.redraws.close)
        opening.push_async_callback(listeners.close)
        self._deliverers = WorkspaceClients(clients, accounts, is_patient=False)
        if mode is SlackMode.SOCKET:
            socket = Socket(app, _secret(self._settings.slack_app_token))
            opening.push_async_callback(socket.close)
            await socket.open()
        else:
            site = create_site(app, _secret(self._settings.slack_signing_secret))
            runner, self.port = await start_site(site, self._settings)
            opening.push_async_callback(runner.cleanup)
        return name

    async def _accounts(self, mode: SlackMode, clients: Clients) -> tuple[OAuth | None, Accounts, str]:
        if mode is SlackMode.OAUTH:
            oauth = open_oauth(self._settings, self._database, clients)
            return oauth, oauth.accounts, "every workspace that installs it"
        workspace, account, name = await _own_account(clients, _secret(self._settings.slack_bot_token))
        return None, OneAccount(workspace, account), name

    def _connected(self) -> WorkspaceClients:
        if self._deliverers is None:
            raise PlatformBusy("Slack is not connected yet; trying again.")
        return self._deliverers


async def _own_account(clients: Clients, token: str) -> tuple[Workspace, BotAccount, str]:
    """Ask Slack whose token it is, once: it is never asked again."""
    try:
        with translated_errors("auth.test"):
            answer = await clients.with_token(token).auth_test()
    except AddressGone as error:
        raise ConfigError(
            f"SLACK_BOT_TOKEN is not taken ({error}) Copy it again from the app's OAuth & Permissions page."
        ) from error
    workspace = Workspace(team_id=str(answer["team_id"]), enterprise_id=answer.get("enterprise_id") or None)
    account = BotAccount(token=token, bot_id=answer.get("bot_id"), user_id=answer.get("user_id"))
    return workspace, account, f"{answer.get('user', 'the bot')} in {answer.get('team', workspace.team_id)}"


def _secret(value: SecretStr | None) -> str:
    assert value is not None, "slack_mode checked that it is set"
    return value.get_secret_value()
