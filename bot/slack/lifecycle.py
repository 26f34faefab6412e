"""When a workspace takes the app out or its tokens back: what was kept for it goes.

Slack tells both in no fixed order and may tell them again; each is fine alone and repeated. The SDK answers Slack
before anything is done, so that what a busy database refuses is tried again here.
"""

from collections.abc import Mapping
from typing import Any

from bot.patience import patiently
from bot.services import Services
from bot.slack.clients import Accounts, Workspace
from bot.slack.installations import InstallationStore
from core.logs import get_logger
from core.records import Platform

log = get_logger(__name__)


class Lifecycle:
    """Cleans up after installations; `store` is None where the only token comes from the settings."""

    def __init__(self, services: Services, accounts: Accounts, store: InstallationStore | None) -> None:
        self._services = services
        self._accounts = accounts
        self._store = store

    async def uninstalled(self, workspace: Workspace, *, told_at: float) -> None:
        """Delete the workspace's token and all that was asked there.

        `told_at` is when Slack made the event, in whole seconds since 1970: one that is older than the installation
        that is there tells of an earlier one, and comes late.
        """
        if await self._has_installed_since(workspace, told_at):
            return
        await self._forget_token(workspace)
        await patiently(lambda: self._services.administration.uninstalled(Platform.SLACK, workspace.team_id))
        log.info("slack.uninstalled", team_id=workspace.team_id)

    async def tokens_revoked(self, workspace: Workspace, event: Mapping[str, Any], *, told_at: float) -> None:
        """Delete the workspace's token if it was the bot's that was taken back, and is not a newer one."""
        tokens = event.get("tokens")
        is_bots = isinstance(tokens, Mapping) and bool(tokens.get("bot"))
        if is_bots and not await self._has_installed_since(workspace, told_at):
            await self._forget_token(workspace)
            log.info("slack.token_revoked", team_id=workspace.team_id)

    async def _has_installed_since(self, workspace: Workspace, told_at: float) -> bool:
        store = self._store
        if store is None:
            return False
        bot = await patiently(
            lambda: store.async_find_bot(enterprise_id=workspace.enterprise_id, team_id=workspace.team_id)
        )
        is_newer = bot is not None and bot.installed_at >= told_at + 1
        if is_newer:
            log.info("slack.late_event_ignored", team_id=workspace.team_id)
        return is_newer

    async def _forget_token(self, workspace: Workspace) -> None:
        store = self._store
        if store is not None:
            await patiently(
                lambda: store.async_delete_bot(enterprise_id=workspace.enterprise_id, team_id=workspace.team_id)
            )
        self._accounts.forget(workspace)
