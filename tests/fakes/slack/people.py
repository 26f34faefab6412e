"""People and what they do: commands, presses, forms, shortcuts, opening the home tab.

Each act returns the delivery that tells the app of it. They see only what Slack would show them.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.fakes.slack import payloads
from tests.fakes.slack.answers import CommandAnswer, FormAnswer, NoAnswer
from tests.fakes.slack.blocks import Control
from tests.fakes.slack.deliveries import Delivery, Kind
from tests.fakes.slack.mentions import escaped
from tests.fakes.slack.messages import Message
from tests.fakes.slack.tickets import ResponseUrl
from tests.fakes.slack.views import View

if TYPE_CHECKING:
    from tests.fakes.slack.workspaces import Channel, Team

Json = Mapping[str, Any]
MAX_OPEN_VIEWS = 10


class Person:
    """Somebody in a team; the app's own user is one too."""

    def __init__(
        self,
        team: "Team",
        name: str,
        *,
        is_admin: bool = False,
        is_owner: bool = False,
        is_stranger: bool = False,
        is_bot: bool = False,
        locale: str = "en-US",
    ) -> None:
        self.team = team
        self.id = team.world.new_id("U")
        self.name = name
        self.is_admin = is_admin or is_owner
        self.is_owner = is_owner
        self.is_stranger = is_stranger
        self.is_bot = is_bot
        self.locale = locale
        self.home_team_id = team.world.new_id("T") if is_stranger else team.id
        self.home: View | None = None  # as last published
        self.views: deque[View] = deque(maxlen=MAX_OPEN_VIEWS)  # open modals, the newest last

    @property
    def form(self) -> View | None:
        """The modal on top."""
        return self.views[-1] if self.views else None

    def at(self, channel: "Channel") -> "Place":
        """Return the person in a channel."""
        return Place(self, channel)

    def direct(self) -> "Place":
        """Return the person in the direct conversation with the app."""
        return Place(self, self.team.direct_channel(self))

    async def opens_home(self, *, wait: bool = True) -> Delivery:
        """Look at the app's home tab."""
        channel = self.team.direct_channel(self)
        event: dict[str, Any] = {"type": "app_home_opened", "user": self.id, "channel": channel.id, "tab": "home"}
        if self.home is not None:
            event["view"] = self.home.as_payload()
        return await self.team.send_event(event, wait=wait)

    async def click(self, target: View | Message, name: str, *, nth: int = 0, wait: bool = True) -> Delivery:
        """Press the `nth` thing called `name` (action_id, label, or start of a label) in a view or a message."""
        control = _find(target, name, nth)
        return await self._press(target, control.as_action(self.team.world.new_ts()), wait=wait)

    async def click_forged(
        self, target: View | Message, action_id: str, value: str | None, *, wait: bool = True
    ) -> Delivery:
        """Send the press of a button that is not there."""
        text = {"type": "plain_text", "text": "forged"}
        action = {"type": "button", "action_id": action_id, "block_id": "forged", "text": text, "value": value}
        return await self._press(target, action | {"action_ts": self.team.world.new_ts()}, wait=wait)

    async def submit(self, view: View, answers: Json | None = None, *, wait: bool = True) -> Delivery:
        """Fill in a form and send it.

        Raises:
            AssertionError: the form is not open, or Slack's own client would not let it be sent.
        """
        assert view in self.views, "The form is not open any more."
        values = view.values(answers or {})
        view.require_complete(values)
        return await self.submit_forged(view, values, wait=wait)

    async def submit_forged(self, view: View, values: Json, *, wait: bool = True) -> Delivery:
        """Send a form with any values, also those that Slack's client would refuse."""
        payload = payloads.view_submission(view, values)
        return await self.interact(payload, on_ack=FormAnswer(view), wait=wait)

    async def close(self, view: View, *, wait: bool = True) -> Delivery | None:
        """Close a form without sending it; the app is told when the view asked for it."""
        view.is_open = False
        self.views.remove(view)
        if not view.content.get("notify_on_close"):
            return None
        return await self.interact(payloads.view_closed(view), wait=wait)

    async def global_shortcut(self, callback_id: str, *, wait: bool = True) -> Delivery:
        """Choose a shortcut that belongs to no message."""
        return await self.interact(payloads.global_shortcut(self, callback_id), wait=wait)

    async def interact(
        self,
        payload: dict[str, Any],
        *,
        kind: Kind = Kind.INTERACTIVE,
        on_ack: Callable[[Any], None] | None = None,
        channel: "Channel | None" = None,
        source: Message | None = None,
        wait: bool = True,
    ) -> Delivery:
        """Send a payload of this person's, with a trigger_id and, where there is a channel, a response_url."""
        world = self.team.world
        trigger_id = f"{world.new_id('')}.{self.team.id}"
        payload["trigger_id"] = trigger_id
        delivery = Delivery(kind=kind, payload=payload, on_ack=on_ack or NoAnswer(world), trigger_id=trigger_id)
        if channel is not None:
            key = world.new_id("R")
            delivery.response_url = payload["response_url"] = f"{world.base_url}/response/{key}"
            url = ResponseUrl(delivery=delivery, person=self, channel=channel, source=source, made_at=world.clock.now())
            world.response_urls.add(key, url)
        world.triggers.issue(trigger_id, self)
        await world.outbound.send(delivery, wait=wait)
        return delivery

    async def _press(self, target: View | Message, action: Json, *, wait: bool) -> Delivery:
        if isinstance(target, View):
            return await self.interact(payloads.view_press(target, action), wait=wait)
        assert not target.is_deleted, "The message was deleted; nobody can press anything in it."
        assert target.visible_to in (None, self), f"Only {target.visible_to and target.visible_to.name} sees it."
        payload = payloads.message_press(self, target, action)
        return await self.interact(payload, channel=target.channel, source=target, wait=wait)


class Place:
    """A person in a channel."""

    def __init__(self, person: Person, channel: "Channel") -> None:
        self.person = person
        self.channel = channel

    def sees(self) -> list[Message]:
        """Return the messages the person sees here, oldest first, with those only they see."""
        return self.channel.seen_by(self.person)

    def says(self, text: str) -> Message:
        """Write a message; the app is not told."""
        return self.channel.post(self.person, text=escaped(text))

    async def slash(self, name: str, text: str = "", *, wait: bool = True) -> Delivery:
        """Send a slash command; `text` arrives as it was typed."""
        payload = payloads.command(self.person, self.channel, name, text)
        on_ack = CommandAnswer(self.person, self.channel)
        return await self.person.interact(payload, kind=Kind.COMMAND, on_ack=on_ack, channel=self.channel, wait=wait)

    async def click(self, target: View | Message, name: str, *, nth: int = 0, wait: bool = True) -> Delivery:
        """Press the `nth` thing called `name` (action_id, label, or start of a label)."""
        return await self.person.click(target, name, nth=nth, wait=wait)

    async def click_forged(
        self, target: View | Message, action_id: str, value: str | None, *, wait: bool = True
    ) -> Delivery:
        """Send the press of a button that is not there."""
        return await self.person.click_forged(target, action_id, value, wait=wait)

    async def submit(self, view: View, answers: Json | None = None, *, wait: bool = True) -> Delivery:
        """Fill in a form and send it."""
        return await self.person.submit(view, answers, wait=wait)

    async def shortcut(self, callback_id: str, message: Message | str, *, wait: bool = True) -> Delivery:
        """Choose a shortcut in a message's menu; a text is written as a message first."""
        source = self.says(message) if isinstance(message, str) else message
        payload = payloads.message_shortcut(self.person, source, callback_id)
        return await self.person.interact(payload, channel=self.channel, source=source, wait=wait)


def _find(target: View | Message, name: str, nth: int) -> Control:
    found = [control for control in target.controls if name in (control.action_id, control.label)]
    found = found or [control for control in target.controls if control.label.startswith(name)]
    assert len(found) > nth, f"There is no {name!r} number {nth} to press; there are {target.buttons}."
    return found[nth]
