"""The two short-lived things in a payload: trigger_ids (3 s of real time, once) and response_urls (30 minutes, 5 uses).

It does not know what a view or an answer looks like.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.slack.deliveries import Delivery
    from tests.fakes.slack.messages import Message
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.workspaces import Channel

RESPONSE_URL_SECONDS = 30 * 60
RESPONSE_URL_USES = 5
MAX_KEPT = 5_000


@dataclass(slots=True)
class Trigger:
    """The right to open one modal for one person."""

    person: "Person"
    made_at: float
    is_used: bool = False


class Triggers:
    """Trigger ids; the oldest are forgotten."""

    def __init__(self, lifetime_seconds: float) -> None:
        self._lifetime_seconds = lifetime_seconds
        self._triggers: OrderedDict[str, Trigger] = OrderedDict()

    def issue(self, trigger_id: str, person: "Person") -> None:
        """Let `trigger_id` open a modal for `person` from now on."""
        self._triggers[trigger_id] = Trigger(person, time.monotonic())
        if len(self._triggers) > MAX_KEPT:
            self._triggers.popitem(last=False)

    def exchange(self, trigger_id: object) -> "Person | str":
        """Use the trigger up; return its person, or the name of Slack's error."""
        trigger = self._triggers.get(str(trigger_id))
        if trigger is None:
            return "invalid_trigger_id"
        if trigger.is_used:
            return "exchanged_trigger_id"
        if time.monotonic() - trigger.made_at > self._lifetime_seconds:
            return "expired_trigger_id"
        trigger.is_used = True
        return trigger.person


@dataclass(slots=True, kw_only=True)
class ResponseUrl:
    """Where a person's one interaction may be answered."""

    delivery: "Delivery"
    person: "Person"
    channel: "Channel"
    source: "Message | None"  # the message whose button was pressed
    made_at: float
    num_used: int = field(default=0)


class ResponseUrls:
    """Response URLs by their last part; the oldest are forgotten."""

    def __init__(self) -> None:
        self._urls: OrderedDict[str, ResponseUrl] = OrderedDict()

    def add(self, key: str, url: ResponseUrl) -> None:
        """Let `key` be used from now on."""
        self._urls[key] = url
        if len(self._urls) > MAX_KEPT:
            self._urls.popitem(last=False)

    def use(self, key: str, now: float) -> ResponseUrl | str:
        """Count one use; return the URL, or the name of Slack's error."""
        url = self._urls.get(key)
        if url is None or now - url.made_at > RESPONSE_URL_SECONDS:
            return "expired_url"
        if url.num_used >= RESPONSE_URL_USES:
            return "used_url"
        url.num_used += 1
        return url
