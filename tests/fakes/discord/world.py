"""Who and what there is: people, servers (guilds, in Discord's words), channels and messages.

Tests build it up with plain calls; what changes while a bot is connected is told to it over the gateway.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from tests.fakes.clock import VirtualClock
from tests.fakes.discord import payloads
from tests.fakes.discord.history import History
from tests.fakes.discord.ids import Snowflakes
from tests.fakes.discord.messages import Message
from tests.fakes.discord.permissions import EVERYONE, Permission

if TYPE_CHECKING:
    from tests.fakes.discord.people import Place

Tell = Callable[[str, Mapping[str, Any], str | None], None]
"""Tells the connected bots an event: its name, its data and the id of the guild that it belongs to."""

BOUNDED_MESSAGES = 2_000


class ChannelType(IntEnum):
    TEXT = 0
    DIRECT = 1
    GROUP = 3


@dataclass(kw_only=True, eq=False)
class User:
    """Somebody with an account; the bot has one too.

    `has_installed_app` tells whether they added the bot to their own account (a user install).
    """

    id: str
    name: str
    locale: str = "en-US"
    is_bot: bool = False
    has_installed_app: bool = False
    blocks_direct_messages: bool = False
    _world: "World"

    def at(self, channel: "Channel") -> "Place":
        """Return this person as they act in `channel`."""
        return self._world.go(self, channel)

    def direct(self) -> "Place":
        """Return this person as they act in their direct messages with the bot."""
        return self._world.go(self, self._world.open_direct(self))

    def in_group(self) -> "Place":
        """Return this person as they act in a group of people, where the bot can only be used as a user install."""
        return self._world.go(self, self._world.open_group(self))


@dataclass(kw_only=True, eq=False)
class Channel:
    """A text channel of a guild, or a direct or group conversation (then `guild` is None).

    `can_view` and `can_send` are the bot's permissions here; `people` are those of a conversation without a guild.
    """

    id: str
    name: str
    type: ChannelType = ChannelType.TEXT
    guild: "Guild | None" = None
    can_view: bool = True
    can_send: bool = True
    is_deleted: bool = False
    people: tuple[User, ...] = ()
    _world: "World"

    @property
    def messages(self) -> list[Message]:
        """What everybody here sees, oldest first."""
        return [message for message in self.all_messages() if message.viewer is None]

    def all_messages(self) -> list[Message]:
        """Every message that is not deleted, also those that only one person sees, oldest first."""
        return [each for each in self._world.messages if each.channel is self and not each.is_deleted]

    def bot_permissions(self) -> Permission:
        """Return what the bot may do here; nothing in a guild that it is no member of."""
        if self.guild is None:
            return EVERYONE
        if not self.guild.is_bot_member or not self.can_view:
            return Permission(0)
        return EVERYONE if self.can_send else EVERYONE & ~Permission.SEND_MESSAGES

    def delete(self) -> None:
        """Delete the channel; the bot is told."""
        self.is_deleted = True
        if self.guild is not None:
            self._world.tell("CHANNEL_DELETE", payloads.channel(self), self.guild.id)


@dataclass(kw_only=True, eq=False)
class Guild:
    """A server. `members` maps user ids to what they may do; `overrides` are its admins' own rules for commands."""

    id: str
    name: str
    locale: str = "en-US"
    is_bot_member: bool = True
    channels: list[Channel] = field(default_factory=list)
    members: dict[str, Permission] = field(default_factory=dict)
    overrides: dict[str, bool] = field(default_factory=dict)
    _world: "World"

    def add_channel(self, name: str, *, can_view: bool = True, can_send: bool = True) -> Channel:
        """Add a text channel; the bot is told."""
        channel = self._world.add_channel(name, guild=self, can_view=can_view, can_send=can_send)
        self.channels.append(channel)
        self._world.tell("CHANNEL_CREATE", payloads.channel(channel), self.id)
        return channel

    def add_member(self, user: User, *, permissions: int = EVERYONE) -> None:
        """Let `user` in, with these permissions; again changes the permissions."""
        self.members[user.id] = Permission(permissions)

    def permissions_of(self, user: User) -> Permission:
        """Return what `user` may do; members who were not added have everybody's permissions."""
        return self.members.get(user.id, EVERYONE)

    def override_command(self, name: str, *, is_allowed: bool) -> None:
        """Let the guild's admins allow a command to everybody, or forbid it, whatever the bot wants as the default."""
        self.overrides[name] = is_allowed

    def add_bot(self) -> None:
        """Let the bot in; it is told."""
        self.is_bot_member = True
        self._world.tell("GUILD_CREATE", payloads.guild(self, self._world.bot), self.id)

    def remove_bot(self) -> None:
        """Throw the bot out; it is told."""
        self.is_bot_member = False
        self._world.tell("GUILD_DELETE", {"id": self.id}, self.id)


class World:
    """Everything there is."""

    def __init__(self, clock: VirtualClock, go: "Callable[[User, Channel], Place]", *, keep_history: bool) -> None:
        self.clock = clock
        self.ids = Snowflakes(clock)
        self.tell: Tell = lambda name, data, guild_id: None
        self.users: dict[str, User] = {}
        self.guilds: dict[str, Guild] = {}
        self.messages: History[Message] = History(None if keep_history else BOUNDED_MESSAGES)
        self._channels: dict[str, Channel] = {}
        self._conversations: dict[tuple[ChannelType, str], Channel] = {}
        self.go = go
        self.bot = self.add_user("mjprompt", is_bot=True)

    def add_user(self, name: str, *, locale: str = "en-US", is_bot: bool = False) -> User:
        user = User(id=self.ids.next(), name=name, locale=locale, is_bot=is_bot, _world=self)
        self.users[user.id] = user
        return user

    def add_guild(self, name: str, *, is_bot_member: bool = True, locale: str = "en-US") -> Guild:
        guild = Guild(id=self.ids.next(), name=name, locale=locale, is_bot_member=False, _world=self)
        self.guilds[guild.id] = guild
        if is_bot_member:
            guild.add_bot()
        return guild

    def open_direct(self, user: User) -> Channel:
        """Return the direct messages of `user` and the bot, always the same channel."""
        return self._conversation(ChannelType.DIRECT, user)

    def open_group(self, user: User) -> Channel:
        """Return a group of people around `user`, always the same channel."""
        return self._conversation(ChannelType.GROUP, user)

    def find_channel(self, channel_id: str) -> Channel | None:
        """Return the channel, a conversation too; None when it does not exist or was deleted."""
        channel = self._channels.get(channel_id)
        return None if channel is None or channel.is_deleted else channel

    def add_channel(self, name: str, **properties: Any) -> Channel:
        """Make a channel; guilds add theirs with `Guild.add_channel`."""
        channel = Channel(id=self.ids.next(), name=name, _world=self, **properties)
        self._channels[channel.id] = channel
        return channel

    def add_message(self, channel: Channel, author: User, values: Mapping[str, Any]) -> Message:
        """Post a message."""
        message = Message(id=self.ids.next(), channel=channel, author=author, created_at=self.clock.now())
        message.write(values)
        self.messages.add(message.id, message)
        return message

    def _conversation(self, kind: ChannelType, user: User) -> Channel:
        key = (kind, user.id)
        if key not in self._conversations:
            people = (user,) if kind == ChannelType.DIRECT else (user, self.add_user(f"friend of {user.name}"))
            name = f"{kind.name.lower()} of {user.name}"
            self._conversations[key] = self.add_channel(name, type=kind, people=people)
        return self._conversations[key]
