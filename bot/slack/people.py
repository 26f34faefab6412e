"""What Slack itself says of a person: whether they run the workspace, whether they belong to it.

Asked each time by `users.info` and never read off a payload. Whatever goes wrong, the answer is no.
"""

from collections.abc import Mapping
from typing import Any

from bot.slack.api_errors import translated_errors
from bot.slack.clients import Workspace, WorkspaceClients
from core.errors import MjpromptError
from core.logs import get_logger

log = get_logger(__name__)


class People:
    """Looks people up over the workspaces' clients."""

    def __init__(self, clients: WorkspaceClients) -> None:
        self._clients = clients

    async def is_admin(self, workspace: Workspace, user_id: str) -> bool:
        """Tell whether the person runs the workspace; no for anybody who cannot be looked up."""
        user = await self._looked_up(workspace, user_id)
        return _is_member(user, user_id, workspace) and any(
            user.get(flag) is True for flag in ("is_admin", "is_owner", "is_primary_owner")
        )

    async def is_member(self, workspace: Workspace, user_id: str) -> bool:
        """Tell whether the person belongs to the workspace; no for anybody who cannot be looked up."""
        return _is_member(await self._looked_up(workspace, user_id), user_id, workspace)

    async def _looked_up(self, workspace: Workspace, user_id: str) -> Mapping[str, Any]:
        try:
            client = await self._clients.of(workspace)
            with translated_errors("users.info"):
                answer = await client.users_info(user=user_id)
            user = answer.get("user")
        except MjpromptError as error:
            log.warning("slack.person_unknown", team_id=workspace.team_id, reason=str(error))
            return {}
        return user if isinstance(user, Mapping) else {}


def _is_member(user: Mapping[str, Any], user_id: str, workspace: Workspace) -> bool:
    """Tell whether this is the person asked for, and no bot, no deleted account and nobody of another workspace."""
    is_person = user.get("id") == user_id and not any(user.get(flag) for flag in ("is_bot", "is_stranger", "deleted"))
    return is_person and workspace.team_id in _workspaces_of(user)


def _workspaces_of(user: Mapping[str, Any]) -> list[object]:
    """Return where somebody belongs; Slack calls nobody of a shared channel a stranger, so only this tells them."""
    organisation = user.get("enterprise_user")
    teams = organisation.get("teams") if isinstance(organisation, Mapping) else None
    return [user.get("team_id"), *(teams if isinstance(teams, list) else [])]
