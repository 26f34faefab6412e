"""Routes about messages in channels, where the bot needs to be a member and to have permissions."""

from typing import Any

from tests.fakes.discord import payloads
from tests.fakes.discord.errors import (
    closed_to_messages,
    foreign_message,
    missing_access,
    missing_permissions,
    unknown_channel,
    unknown_message,
)
from tests.fakes.discord.history import History
from tests.fakes.discord.messages import Message
from tests.fakes.discord.permissions import Permission
from tests.fakes.discord.posting import Posting
from tests.fakes.discord.rest import Call, Route
from tests.fakes.discord.world import Channel, ChannelType

NONCE_LIFE_SECONDS = 5 * 60
MAX_NONCES = 2_000


class ChannelRoutes:
    """What a bot does with messages outside interactions."""

    def __init__(self, posting: Posting) -> None:
        self._posting = posting
        self._world = posting.world
        self._by_nonce: History[Message] = History(MAX_NONCES)

    def routes(self) -> list[Route]:
        message = "/channels/{channel}/messages/{message}"
        return [
            Route("GET", "/channels/{channel}", self._get_channel),
            Route("POST", "/channels/{channel}/typing", self._type),
            Route("POST", "/channels/{channel}/messages", self._post),
            Route("GET", message, self._get),
            Route("PATCH", message, self._edit),
            Route("DELETE", message, self._delete),
        ]

    async def _get_channel(self, call: Call) -> tuple[int, Any]:
        return 200, payloads.channel(self._channel(call))

    async def _type(self, call: Call) -> tuple[int, Any]:
        self._sendable(call)
        return 204, None

    async def _post(self, call: Call) -> tuple[int, Any]:
        channel = self._sendable(call)
        nonce = call.body.get("nonce")
        is_enforced = bool(nonce and call.body.get("enforce_nonce"))
        message = self._posted_before(channel, nonce) if is_enforced else None
        if message is None:
            reference = call.body.get("message_reference")
            reply_to = self._reply_to(channel, reference) if reference else None
            message = self._posting.new(call, call.body, channel, nonce=nonce, reply_to=reply_to)
            if is_enforced:
                self._by_nonce.add(f"{channel.id} {nonce}", message)
        return 200, payloads.message(message)

    async def _get(self, call: Call) -> tuple[int, Any]:
        return 200, payloads.message(self._public(call))

    async def _edit(self, call: Call) -> tuple[int, Any]:
        message = self._public(call)
        if message.author is not self._world.bot:
            raise foreign_message()
        return 200, payloads.message(self._posting.edit(call, call.body, message))

    async def _delete(self, call: Call) -> tuple[int, Any]:
        message = self._public(call)
        if message.author is not self._world.bot:
            raise missing_permissions()
        message.is_deleted = True
        return 204, None

    def _channel(self, call: Call) -> Channel:
        """Return the channel of a call when the bot can see it."""
        channel = self._world.find_channel(call.names["channel"])
        if channel is None:
            raise unknown_channel()
        if channel.type == ChannelType.GROUP or Permission.VIEW_CHANNEL not in channel.bot_permissions():
            raise missing_access()
        return channel

    def _sendable(self, call: Call) -> Channel:
        """Return the channel of a call when the bot can write into it."""
        channel = self._channel(call)
        if channel.type == ChannelType.DIRECT and not self._is_reachable(channel):
            raise closed_to_messages()
        if Permission.SEND_MESSAGES not in channel.bot_permissions():
            raise missing_permissions()
        return channel

    def _is_reachable(self, channel: Channel) -> bool:
        """Tell whether the bot may write to this person: not blocked, and with something in common."""
        user = channel.people[0]
        shares_guild = any(guild.is_bot_member and user.id in guild.members for guild in self._world.guilds.values())
        return not user.blocks_direct_messages and (shares_guild or user.has_installed_app)

    def _public(self, call: Call) -> Message:
        """Return the message of a call; those that one person sees are unknown here."""
        message = self._posting.find(call.names["message"], self._channel(call))
        if message.viewer is not None:
            raise unknown_message()
        return message

    def _posted_before(self, channel: Channel, nonce: str) -> Message | None:
        message = self._by_nonce.get(f"{channel.id} {nonce}")
        is_fresh = message is not None and self._world.clock.now() - message.created_at <= NONCE_LIFE_SECONDS
        return message if is_fresh else None

    def _reply_to(self, channel: Channel, reference: dict[str, Any]) -> str | None:
        """Return the id of the message that is replied to; None when it is gone and that is no error."""
        message_id = str(reference["message_id"])
        if not reference.get("fail_if_not_exists", True) and self._world.messages.get(message_id) is None:
            return None
        return self._posting.find(message_id, channel).id
