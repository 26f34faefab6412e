"""Delivery's way into Slack: post a placeholder, then edit it; first in the channel, then as a direct message.

A destination is JSON: `route` ("channel" or "direct"), `team_id`, `enterprise_id`, `channel_id`, `user_id`, `ts` (the
posted message, None before), and `is_private`; the workspace's `language` comes along where it has one. It holds no
token and no URL: the token is looked up for each message. It waits for nothing itself: what Slack asks to wait,
delivery schedules.
"""

from collections.abc import Callable
from typing import Any

from bot.cards import Card
from bot.gateway import Addressed
from bot.slack.api_errors import translated_errors
from bot.slack.blocks import QUIET, UNPARSED, card_message
from bot.slack.clients import Workspace, WorkspaceClients, workspace_of
from core.errors import AddressGone
from core.records import Destination, Platform
from core.release_channels import ReleaseChannel

CHANNEL = "channel"
DIRECT = "direct"


def destination_for(workspace: Workspace, *, user_id: str, channel_id: str | None, is_private: bool) -> Destination:
    """Return where an answer goes: to the channel, or to the person alone where it is private or there is none."""
    is_direct = is_private or channel_id is None
    return {
        "route": DIRECT if is_direct else CHANNEL,
        "team_id": workspace.team_id,
        "enterprise_id": workspace.enterprise_id,
        "channel_id": None if is_direct else channel_id,
        "user_id": user_id,
        "ts": None,
        "is_private": is_private,
    }


class SlackGateway:
    """Slack as delivery sees it."""

    def __init__(self, connected: Callable[[], WorkspaceClients]) -> None:
        """Take what returns the clients, or raises PlatformBusy before they are there.

        They must not be patient: delivery schedules better than they wait.
        """
        self._connected = connected

    @property
    def platform(self) -> Platform:
        return Platform.SLACK

    def is_open(self, destination: Destination) -> bool:
        """Tell whether a message was posted there."""
        return bool(destination.get("ts")) and bool(destination.get("channel_id"))

    def fall_back(self, destination: Destination) -> Destination | None:
        """Return the person's direct messages in place of a channel; behind those there is nothing."""
        if destination.get("route") != CHANNEL or not destination.get("user_id"):
            return None
        return {**destination, "route": DIRECT, "channel_id": None, "ts": None}

    def without_secrets(self, destination: Destination) -> Destination:
        """Return the destination as it is: it never holds any."""
        return destination

    def at_channel(self, channel: ReleaseChannel, *, language: str) -> Destination:
        """Return the destination of a message that is everybody's in a channel."""
        workspace = Workspace(team_id=channel.workspace_id or "", enterprise_id=None)
        where = destination_for(workspace, user_id="", channel_id=channel.channel_id, is_private=False)
        return {**where, "language": language}

    async def open(self, message: Addressed, placeholder: Card) -> Destination:
        """Post `placeholder`; Slack cannot tell a repeated post, so that a bot killed here leaves one more behind.

        Raises:
            AddressGone, PlatformBusy: as bot.gateway.Gateway says.
        """
        destination = message.destination
        is_direct = destination.get("route") == DIRECT
        client = await self._connected().of(workspace_of(destination))
        with translated_errors("chat.postMessage"):
            posted = await client.chat_postMessage(
                channel=_text(destination, "user_id" if is_direct else "channel_id"),
                **card_message(placeholder),
                **QUIET,
            )
        return {**destination, "channel_id": posted.get("channel"), "ts": posted.get("ts")}

    async def show(self, destination: Destination, card: Card) -> None:
        """Make the posted message show `card`.

        Raises:
            AddressGone, PlatformBusy: as bot.gateway.Gateway says.
        """
        client = await self._connected().of(workspace_of(destination))
        with translated_errors("chat.update"):
            await client.chat_update(
                channel=_text(destination, "channel_id"), ts=_text(destination, "ts"), **card_edit(card)
            )


def card_edit(card: Card) -> dict[str, Any]:
    """Return what `chat.update` takes beside the address."""
    return {**card_message(card), **UNPARSED}


def _text(destination: Destination, key: str) -> str:
    value = destination.get(key)
    if not isinstance(value, str) or not value:
        raise AddressGone(f"The Slack address has no {key}.")
    return value
