"""A chat platform in memory, and a gateway to it that can refuse, be slow and die at any point.

The platform outlives its gateways, as a real one outlives the bot: messages stay when a test starts a new gateway.
"""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from bot.cards import Card
from bot.gateway import Addressed
from core.errors import AddressGone
from core.records import Destination, Platform
from core.release_channels import ReleaseChannel

ROUTES = ("token", "channel", "direct")  # from the first to the last resort


class Point(StrEnum):
    """Where a gateway can be made to hang, for the test to kill it there."""

    BEFORE_OPEN = "before open"
    AFTER_OPEN = "after open"
    BEFORE_SHOW = "before show"
    AFTER_SHOW = "after show"


@dataclass
class FakePlatform:
    """The messages that people see, by id, and all that each of them ever showed."""

    messages: dict[str, list[Card]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)  # routes that nothing can be posted to or edited on any more
    _by_nonce: dict[str, str] = field(default_factory=dict)

    @property
    def answers(self) -> list[str]:
        """The messages that show an answer now."""
        return [message_id for message_id, cards in self.messages.items() if cards[-1].candidates]

    def post(self, card: Card, *, nonce: str) -> str:
        """Post a message; the same nonce again gives the first one."""
        if nonce in self._by_nonce:
            return self._by_nonce[nonce]
        message_id = f"m{len(self.messages) + 1}"
        self.messages[message_id] = [card]
        self._by_nonce[nonce] = message_id
        return message_id


class FakeGateway:
    """A gateway to a fake platform; `hang_at` makes it hang there for ever, `errors` come out of `show` one by one."""

    def __init__(
        self,
        world: FakePlatform,
        *,
        platform: Platform = Platform.DISCORD,
        hang_at: Point | None = None,
        errors: list[Exception] | None = None,
    ) -> None:
        self._world = world
        self._platform = platform
        self.hang_at = hang_at
        self.errors = errors or []
        self.is_hanging = asyncio.Event()
        self.num_shown = 0

    @property
    def platform(self) -> Platform:
        return self._platform

    def is_open(self, destination: Destination) -> bool:
        return "message_id" in destination

    def fall_back(self, destination: Destination) -> Destination | None:
        following = ROUTES[ROUTES.index(str(destination["route"])) + 1 :]
        return {"language": destination["language"], "route": following[0]} if following else None

    def without_secrets(self, destination: Destination) -> Destination:
        return {key: value for key, value in destination.items() if key != "token"}

    def at_channel(self, channel: ReleaseChannel, *, language: str) -> Destination:
        return {"route": "channel", "language": language, "channel_id": channel.channel_id}

    async def open(self, message: Addressed, placeholder: Card) -> Destination:
        await self._pass(Point.BEFORE_OPEN)
        self._require_there(message.destination)
        route = str(message.destination["route"])
        message_id = self._world.post(placeholder, nonce=f"{message.id}:{route}")
        await self._pass(Point.AFTER_OPEN)
        return {**message.destination, "message_id": message_id}

    async def show(self, destination: Destination, card: Card) -> None:
        await self._pass(Point.BEFORE_SHOW)
        if self.errors:
            raise self.errors.pop(0)
        self._require_there(destination)
        self._world.messages[str(destination["message_id"])].append(card)
        self.num_shown += 1
        await self._pass(Point.AFTER_SHOW)

    async def _pass(self, point: Point) -> None:
        if point is self.hang_at:
            self.is_hanging.set()
            await asyncio.Event().wait()

    def _require_there(self, destination: Destination) -> None:
        if destination["route"] in self._world.gone:
            raise AddressGone(f"The {destination['route']} is gone.")
