"""Interactions: what people did that the bot must answer, and how far it got with that.

The deadline of three seconds runs in real time; the token's fifteen minutes run on the virtual clock.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from tests.fakes.clock import VirtualClock
from tests.fakes.discord import payloads
from tests.fakes.discord.history import History
from tests.fakes.discord.messages import Message
from tests.fakes.discord.modal_limits import Modal
from tests.fakes.discord.payloads import Payload
from tests.fakes.discord.permissions import EVERYONE, Permission
from tests.fakes.discord.world import Channel, ChannelType, User, World

TOKEN_LIFE_SECONDS = 15 * 60
MAX_FOLLOWUPS_OF_USER_INSTALL = 5
BOUNDED_INTERACTIONS = 5_000

GUILD_INSTALL, USER_INSTALL = "0", "1"


class InteractionKind(IntEnum):
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL_SUBMIT = 5


class Context(IntEnum):
    """Where an interaction happened."""

    GUILD = 0
    BOT_DIRECT = 1
    PRIVATE = 2


@dataclass(kw_only=True, eq=False)
class Interaction:
    """One thing that somebody did. `owners` says whose install of the bot allowed it.

    `callback_body` is the bot's acknowledgement as it was sent. `response` is the message that belongs to it: the new
    one, or for a button the one that it sits on when that is what was answered; None while there is none. `source` is
    the message that the button or form came from.
    """

    id: str
    token: str
    kind: InteractionKind
    user: User
    channel: Channel
    owners: dict[str, str]
    data: Payload
    source: Message | None
    created_at: float
    sent_at_monotonic: float
    acknowledge_within_seconds: float
    payload: Payload = field(default_factory=dict)
    callback_body: Payload | None = None
    acked_after_seconds: float | None = None
    response: Message | None = None
    modal: Modal | None = None
    choices: list[tuple[str, Any]] = field(default_factory=list)
    followups: list[Message] = field(default_factory=list)
    is_replayed: bool = False
    _acknowledgement: asyncio.Event = field(default_factory=asyncio.Event)
    _deadline: asyncio.TimerHandle | None = None

    @property
    def is_acknowledged(self) -> bool:
        return self._acknowledgement.is_set()

    @property
    def is_user_install_only(self) -> bool:
        return GUILD_INSTALL not in self.owners

    @property
    def callback_type(self) -> int | None:
        """The type of the acknowledgement; None while there is none."""
        return None if self.callback_body is None else int(self.callback_body["type"])

    def is_too_late(self) -> bool:
        """Tell whether Discord gave up waiting for the acknowledgement."""
        waited = time.monotonic() - self.sent_at_monotonic
        return not self.is_acknowledged and waited > self.acknowledge_within_seconds

    def is_expired(self, clock: VirtualClock) -> bool:
        """Tell whether the token's fifteen minutes are over."""
        return clock.now() - self.created_at > TOKEN_LIFE_SECONDS

    def acknowledge(self, body: Payload, *, arrived_at_monotonic: float) -> None:
        """Remember the acknowledgement and release everybody who waits for it."""
        self.callback_body = body
        self.acked_after_seconds = arrived_at_monotonic - self.sent_at_monotonic
        if self._deadline is not None:
            self._deadline.cancel()
        self._acknowledgement.set()

    def watch(self, on_missed: Callable[["Interaction"], None]) -> None:
        """Call `on_missed` when the deadline passes without an acknowledgement."""
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self.acknowledge_within_seconds, on_missed, self)

    def forget(self) -> None:
        """Stop the deadline; for the end of a test."""
        if self._deadline is not None:
            self._deadline.cancel()

    async def wait_for_acknowledgement(self, timeout_seconds: float) -> bool:
        """Return whether the bot acknowledged within the time."""
        try:
            await asyncio.wait_for(self._acknowledgement.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True


class Interactions:
    """Makes interactions, tells the bot about them and finds them again by what the bot calls them."""

    def __init__(
        self,
        world: World,
        on_missed: Callable[[Interaction], None],
        *,
        acknowledge_within_seconds: float,
        keep_history: bool,
    ) -> None:
        self.acknowledge_within_seconds = acknowledge_within_seconds
        limit = None if keep_history else BOUNDED_INTERACTIONS
        self._world = world
        self._on_missed = on_missed
        self._by_id: History[Interaction] = History(limit)
        self._by_token: History[Interaction] = History(limit)

    def __iter__(self) -> Iterator[Interaction]:
        return iter(self._by_id)

    def of_id(self, interaction_id: str) -> Interaction | None:
        return self._by_id.get(interaction_id)

    def of_token(self, token: str) -> Interaction | None:
        return self._by_token.get(token)

    def send(
        self,
        kind: InteractionKind,
        user: User,
        channel: Channel,
        data: Payload,
        *,
        owners: dict[str, str],
        source: Message | None = None,
        source_payload: Payload | None = None,
    ) -> Interaction:
        """Tell the bot that `user` did something; `source_payload` is what it is told of the message `source`."""
        interaction = Interaction(
            id=self._world.ids.next(),
            token=secrets.token_urlsafe(96),
            kind=kind,
            user=user,
            channel=channel,
            owners=owners,
            data=data,
            source=source,
            created_at=self._world.clock.now(),
            sent_at_monotonic=time.monotonic(),
            acknowledge_within_seconds=self.acknowledge_within_seconds,
        )
        interaction.payload = _payload(interaction, self._world.bot.id, source_payload)
        self._by_id.add(interaction.id, interaction)
        self._by_token.add(interaction.token, interaction)
        interaction.watch(self._on_missed)
        self._tell(interaction)
        return interaction

    def replay(self, interaction: Interaction) -> None:
        """Tell the bot the same interaction once more, as Discord does after some reconnects."""
        interaction.is_replayed = True
        self._tell(interaction)

    def _tell(self, interaction: Interaction) -> None:
        guild = interaction.channel.guild
        self._world.tell("INTERACTION_CREATE", interaction.payload, guild.id if guild else None)


def context_of(channel: Channel) -> Context:
    """Return what Discord calls the place of an interaction."""
    if channel.guild is not None:
        return Context.GUILD
    return Context.BOT_DIRECT if channel.type == ChannelType.DIRECT else Context.PRIVATE


def _payload(interaction: Interaction, application_id: str, source_payload: Payload | None) -> Payload:
    channel, user = interaction.channel, interaction.user
    payload: Payload = {
        "id": interaction.id,
        "application_id": application_id,
        "type": int(interaction.kind),
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel_id": channel.id,
        "locale": user.locale,
        "entitlements": [],
        "authorizing_integration_owners": interaction.owners,
        "context": int(context_of(channel)),
        "attachment_size_limit": 10 * 1024 * 1024,
        "app_permissions": str(int(_app_permissions(channel))),
    }
    if source_payload is not None:
        payload["message"] = source_payload
    if channel.guild is None:
        return {**payload, "user": payloads.user(user), "channel": payloads.channel(channel)}
    guild, permissions = channel.guild, channel.guild.permissions_of(user)
    return {
        **payload,
        "guild_id": guild.id,
        "guild": {"id": guild.id, "features": [], "locale": guild.locale},
        "guild_locale": guild.locale,
        "member": payloads.member(user, permissions),
        "channel": {**payloads.channel(channel), "permissions": str(int(permissions))},
    }


def _app_permissions(channel: Channel) -> Permission:
    """Return what the bot may do with this interaction; as a user install it may do what everybody may."""
    is_foreign = channel.guild is not None and not channel.guild.is_bot_member
    return EVERYONE if is_foreign else channel.bot_permissions()
