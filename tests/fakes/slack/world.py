"""What all parts of the fake share: the clock, ids, the teams, violations and faults.

It does not know HTTP or sockets.
"""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from tests.fakes.clock import VirtualClock
from tests.fakes.slack.faults import Faults
from tests.fakes.slack.tickets import ResponseUrls, Triggers

if TYPE_CHECKING:
    from tests.fakes.slack.deliveries import Delivery
    from tests.fakes.slack.views import View
    from tests.fakes.slack.workspaces import Team

MAX_VIOLATIONS = 200
MAX_VIEWS = 5_000
DEFAULT_BOT_SCOPES = ("commands", "chat:write", "chat:write.public", "users:read")


class Outbound(Protocol):
    """What people need of the two transports."""

    async def send(self, delivery: "Delivery", *, wait: bool) -> None: ...


class World:
    """One Slack with one app."""

    outbound: Outbound

    def __init__(
        self,
        *,
        app_token: str,
        signing_secret: str,
        client_id: str,
        client_secret: str,
        bot_scopes: tuple[str, ...],
        ack_seconds: float,
        trigger_seconds: float,
    ) -> None:
        self.app_id = "A0000001"
        self.app_token = app_token
        self.signing_secret = signing_secret
        self.client_id = client_id
        self.client_secret = client_secret
        self.bot_scopes = bot_scopes
        self.ack_seconds = ack_seconds
        self.base_url = ""
        self.clock = VirtualClock()
        self.faults = Faults()
        self.violations: list[str] = []
        self.teams: dict[str, Team] = {}
        self.views: OrderedDict[str, View] = OrderedDict()
        self.triggers = Triggers(trigger_seconds)
        self.response_urls = ResponseUrls()
        self._numbers = itertools.count(1)
        self._last_microsecond = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def new_id(self, prefix: str) -> str:
        """Return an id that nothing else has: `U0000007`."""
        return f"{prefix}{next(self._numbers):07d}"

    def new_ts(self) -> str:
        """Return a time stamp later than every one before."""
        self._last_microsecond = max(int(self.clock.now() * 1_000_000), self._last_microsecond + 1)
        return f"{self._last_microsecond // 1_000_000}.{self._last_microsecond % 1_000_000:06d}"

    def violation(self, text: str) -> None:
        """Remember something that a correct bot does not do."""
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(text)

    def keep_view(self, view: "View") -> None:
        """Remember a view by its id; the oldest ones are forgotten."""
        self.views[view.id] = view
        while len(self.views) > MAX_VIEWS:
            self.views.popitem(last=False)

    def team_of_token(self, token: str) -> "Team | None":
        return next((team for team in self.teams.values() if team.bot_token == token), None)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside; it is cancelled when the fake is left."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel everything that was spawned."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
