"""Slack's Web API for each workspace: one HTTP session for all, a client for each bot token.

Tokens of many workspaces are looked up in the store and remembered for a minute; the client of one workspace is made
once. It does not know what is said.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api_errors import translated_errors
from bot.slack.installations import InstallationStore
from bot.slack.sdk_logs import sdk_logger
from core.errors import AddressGone, TransientError

CALL_SECONDS = 10.0
REMEMBER_SECONDS = 60.0
MAX_REMEMBERED = 10_000
ROTATE_BEFORE_MINUTES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One installation as Slack names it; `enterprise_id` is set where the workspace belongs to an organisation."""

    team_id: str
    enterprise_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BotAccount:
    """The bot's own account in one workspace."""

    token: str
    bot_id: str | None
    user_id: str | None


class Accounts(Protocol):
    """Finds the bot's account in a workspace, None where the app is not installed (any more)."""

    async def find(self, workspace: Workspace) -> BotAccount | None: ...

    def forget(self, workspace: Workspace) -> None: ...


class OneAccount:
    """The account of the only workspace."""

    def __init__(self, workspace: Workspace, account: BotAccount) -> None:
        self._workspace = workspace
        self._account = account

    async def find(self, workspace: Workspace) -> BotAccount | None:
        return self._account if workspace.team_id == self._workspace.team_id else None

    def forget(self, workspace: Workspace) -> None:
        """The token comes from the settings: there is nothing to forget."""


class StoredAccounts:
    """The accounts of many workspaces, with tokens renewed before they expire."""

    def __init__(self, store: InstallationStore, rotator: AsyncTokenRotator) -> None:
        self._store = store
        self._rotator = rotator
        self._known: dict[Workspace, tuple[float, BotAccount]] = {}

    async def find(self, workspace: Workspace) -> BotAccount | None:
        remembered = self._known.get(workspace)
        if remembered is not None and remembered[0] > time.monotonic():
            return remembered[1]
        try:
            account = await self._stored(workspace)
        except TransientError:
            if remembered is None:
                raise
            return remembered[1]
        self.forget(workspace)
        if account is not None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[workspace] = (time.monotonic() + REMEMBER_SECONDS, account)
        return account

    def forget(self, workspace: Workspace) -> None:
        self._known.pop(workspace, None)

    async def _stored(self, workspace: Workspace) -> BotAccount | None:
        bot = await self._store.async_find_bot(enterprise_id=workspace.enterprise_id, team_id=workspace.team_id)
        if bot is None:
            return None
        with translated_errors("oauth.v2.access"):
            renewed = await self._rotator.perform_bot_token_rotation(
                bot=bot, minutes_before_expiration=ROTATE_BEFORE_MINUTES
            )
        if renewed is not None:
            await self._store.async_save_bot(renewed)
            bot = renewed
        return BotAccount(token=bot.bot_token, bot_id=bot.bot_id, user_id=bot.bot_user_id)


class Clients:
    """Web API clients on one HTTP session; close it when done."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS))
        self.bare = self.with_token(None)

    def with_token(self, token: str | None, *, is_patient: bool = True) -> AsyncWebClient:
        """Return a client; a patient one waits as long as Slack asks and tries again, another one reports it."""
        handlers = [
            AsyncConnectionErrorRetryHandler(),
            AsyncRateLimitErrorRetryHandler(max_retry_count=2),
            AsyncServerErrorRetryHandler(max_retry_count=1),
        ]
        return AsyncWebClient(
            token=token,
            base_url=self._base_url,
            session=self.session,
            logger=sdk_logger(),
            retry_handlers=handlers if is_patient else [],
        )

    async def close(self) -> None:
        await self.session.close()


class WorkspaceClients:
    """The client of each workspace where the app is installed."""

    def __init__(self, clients: Clients, accounts: Accounts, *, is_patient: bool) -> None:
        self._clients = clients
        self._accounts = accounts
        self._is_patient = is_patient

    async def of(self, workspace: Workspace) -> AsyncWebClient:
        """Return the workspace's client.

        Raises:
            AddressGone: the app is not installed there (any more).
        """
        account = await self._accounts.find(workspace)
        if account is None:
            raise AddressGone(f"The app is not installed in the Slack workspace {workspace.team_id} any more.")
        return self._clients.with_token(account.token, is_patient=self._is_patient)


def workspace_of(destination: Mapping[str, Any]) -> Workspace:
    """Return the workspace of a stored destination."""
    enterprise_id = destination.get("enterprise_id")
    return Workspace(
        team_id=str(destination["team_id"]), enterprise_id=None if enterprise_id is None else str(enterprise_id)
    )
