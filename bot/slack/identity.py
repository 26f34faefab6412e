"""Who a Slack payload speaks of: ids of person, workspace and channel as the product keeps them.

Ids come from Slack itself (a signed request, or the socket that the bot opened). What anybody may do is never read
here.
"""

from collections.abc import Mapping
from typing import Any

from bot.slack.clients import Workspace
from core.records import Identity, Platform

SLACKBOT = "USLACKBOT"


def identity_of(
    workspace: Workspace, user_id: str, *, channel_id: str | None = None, display_name: str | None = None
) -> Identity:
    """Return a person: `T1:U1`, because a user id is unique within its workspace only."""
    return Identity(
        platform=Platform.SLACK,
        external_id=f"{workspace.team_id}:{user_id}",
        display_name=display_name,
        workspace_external_id=workspace.team_id,
        conversation_external_id=channel_id,
    )


def may_be_outsider(body: Mapping[str, Any], workspace: Workspace) -> bool:
    """Tell whether the payload names another home than the workspace, as for people of a shared channel."""
    user = body.get("user")
    home = user.get("team_id") if isinstance(user, Mapping) else None
    return home is not None and home != workspace.team_id


def is_bot(body: Mapping[str, Any], user_id: str) -> bool:
    """Tell whether the payload was caused by an app and not by a person."""
    return user_id == SLACKBOT or bool(body.get("bot_id"))
