"""One thing that Slack tells the app: what is in it, and what came back.

It does not know how it travels: `socket_mode` and `signed_requests` do.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.slack.workspaces import Team


class Kind(StrEnum):
    """The types of Socket Mode's envelopes."""

    COMMAND = "slash_commands"
    INTERACTIVE = "interactive"
    EVENT = "events_api"


@dataclass(slots=True, kw_only=True)
class Delivery:
    """A slash command, an interaction or an event on its way to the app."""

    kind: Kind
    payload: Mapping[str, Any]
    on_ack: Callable[[Any], None] | None = None  # takes the payload of the first acknowledgement
    trigger_id: str | None = None
    response_url: str | None = None
    responses: list[dict[str, Any]] = field(default_factory=list)  # bodies posted to the response_url
    ack_payloads: list[Any] = field(default_factory=list)
    num_attempts: int = 0
    acked_after_seconds: float | None = None
    status: int | None = None  # of the last answer, in HTTP mode
    error: str | None = None  # what the person is shown when the app does not answer
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_acknowledged(self) -> bool:
        return self.acked_after_seconds is not None

    @property
    def ack_payload(self) -> Any:
        """What the first acknowledgement carried; None for an empty one and before there is any."""
        return self.ack_payloads[0] if self.ack_payloads else None

    def acknowledge(self, payload: Any, *, after_seconds: float) -> None:
        """Take an acknowledgement; only the first has an effect on what people see."""
        is_first = not self.is_acknowledged
        self.ack_payloads.append(payload)
        if is_first:
            self.acked_after_seconds = after_seconds
            self.error = None
            if self.on_ack is not None:
                self.on_ack(payload)
        self.settled.set()

    def fail(self, error: str) -> None:
        """Note that an attempt was not acknowledged."""
        if not self.is_acknowledged:
            self.error = error
        self.settled.set()


def app_event(team: "Team", event: Mapping[str, Any]) -> Delivery:
    """Return the delivery of an Events API event."""
    world = team.world
    ts = world.new_ts()
    payload = {
        "token": "legacy-verification-token",
        "team_id": team.id,
        "api_app_id": world.app_id,
        "event": {"event_ts": ts} | dict(event),
        "type": "event_callback",
        "event_id": world.new_id("Ev"),
        "event_time": int(float(ts)),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": team.id,
                "user_id": team.bot_user.id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
    }
    return Delivery(kind=Kind.EVENT, payload=payload)
