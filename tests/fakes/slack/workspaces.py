"""Teams and channels, and what the app may do in them.

They do not know the wire: `web_api` and `people` do.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.fakes.slack import blocks as block_tree
from tests.fakes.slack.deliveries import Delivery, app_event
from tests.fakes.slack.messages import Message
from tests.fakes.slack.people import Person

if TYPE_CHECKING:
    from tests.fakes.slack.world import World

Json = Mapping[str, Any]
MAX_MESSAGES_KEPT = 5_000


class Channel:
    """A channel, or the app's direct conversation with a person."""

    def __init__(
        self,
        team: "Team",
        channel_id: str,
        name: str,
        *,
        is_bot_member: bool,
        is_private: bool,
        is_archived: bool,
        person: Person | None = None,
    ) -> None:
        self.team = team
        self.id = channel_id
        self.name = name
        self.is_bot_member = is_bot_member
        self.is_private = is_private
        self.is_archived = is_archived
        self.person = person
        self._messages: OrderedDict[str, Message] = OrderedDict()

    @property
    def is_direct(self) -> bool:
        return self.person is not None

    @property
    def messages(self) -> list[Message]:
        """What everybody in the channel sees now, oldest first; deleted ones are gone."""
        return [each for each in self._messages.values() if not each.is_deleted and not each.is_ephemeral]

    @property
    def newest(self) -> Message | None:
        """The last of `messages`."""
        return self.messages[-1] if self.messages else None

    def seen_by(self, person: Person) -> list[Message]:
        """Return what `person` sees now, oldest first, with what only they can see."""
        return [each for each in self._messages.values() if not each.is_deleted and each.visible_to in (None, person)]

    def message(self, ts: object) -> Message | None:
        """Return the message, also an ephemeral one; None when there is none or it was deleted."""
        message = self._messages.get(str(ts))
        return None if message is None or message.is_deleted else message

    def post(
        self,
        author: Person,
        *,
        text: str,
        blocks: Sequence[Json] | None = None,
        visible_to: Person | None = None,
        thread_ts: str | None = None,
        metadata: Json | None = None,
    ) -> Message:
        """Add a message; the oldest are forgotten."""
        message = Message(
            ts=self.team.world.new_ts(),
            channel=self,
            author=author,
            fallback=text,
            blocks=block_tree.with_ids(blocks, "b0."),
            posted_at=self.team.world.clock.now(),
            visible_to=visible_to,
            thread_ts=thread_ts,
            metadata=metadata,
        )
        self._messages[message.ts] = message
        if len(self._messages) > MAX_MESSAGES_KEPT:
            self._messages.popitem(last=False)
        return message


class Team:
    """A workspace, with the app installed or not."""

    def __init__(self, world: "World", name: str, *, is_installed: bool, bot_token: str | None) -> None:
        self.world = world
        self.id = world.new_id("T")
        self.name = name
        self.domain = re.sub(r"\W+", "-", name.lower())
        self.bot_id = world.new_id("B")
        self.bot_user = Person(self, "mjprompt", is_bot=True)
        self.users: dict[str, Person] = {self.bot_user.id: self.bot_user}
        self.channels: dict[str, Channel] = {}
        self._direct_channels: dict[str, Channel] = {}
        self._next_token = bot_token
        self.bot_token: str | None = None
        self.dead_tokens: dict[str, str] = {}  # to the name of Slack's error
        self.scopes: tuple[str, ...] = ()
        if is_installed:
            self.install(world.bot_scopes)

    @property
    def is_installed(self) -> bool:
        return self.bot_token is not None

    def install(self, scopes: Sequence[str]) -> str:
        """Give the app a token with `scopes`, or add them to the one it has; return the token."""
        self.scopes = tuple(dict.fromkeys([*self.scopes, *scopes]))
        if self.bot_token is None:
            number = self.world.new_id("")
            self.bot_token = self._next_token or f"xoxb-{number}-fake-{self.id}"
            self._next_token = None
        return self.bot_token

    def kill_token(self, error: str) -> None:
        """Let every later call with the token fail with `error`."""
        if self.bot_token is not None:
            self.dead_tokens[self.bot_token] = error
        self.bot_token = None
        self.scopes = ()

    async def uninstall_app(self) -> list[Delivery]:
        """Remove the app as an administrator does; return the two events that tell it."""
        self.kill_token("account_inactive")
        revoked = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [self.bot_user.id]}}
        return [await self.send_event(revoked), await self.send_event({"type": "app_uninstalled"})]

    async def send_event(self, event: Json, *, wait: bool = True) -> Delivery:
        """Tell the app of an event of the Events API."""
        delivery = app_event(self, event)
        await self.world.outbound.send(delivery, wait=wait)
        return delivery

    def add_user(
        self,
        name: str,
        *,
        is_admin: bool = False,
        is_owner: bool = False,
        is_stranger: bool = False,
        is_bot: bool = False,
        locale: str = "en-US",
    ) -> Person:
        """Add a person; a stranger comes from another workspace through a shared channel."""
        person = Person(
            self,
            name,
            is_admin=is_admin,
            is_owner=is_owner,
            is_stranger=is_stranger,
            is_bot=is_bot,
            locale=locale,
        )
        self.users[person.id] = person
        return person

    def add_channel(
        self, name: str, *, is_bot_member: bool = True, is_private: bool = False, is_archived: bool = False
    ) -> Channel:
        """Add a channel."""
        channel = Channel(
            self,
            self.world.new_id("C"),
            name,
            is_bot_member=is_bot_member,
            is_private=is_private,
            is_archived=is_archived,
        )
        self.channels[channel.id] = channel
        return channel

    def direct_channel(self, person: Person) -> Channel:
        """Return the app's direct conversation with `person`; the first call opens it."""
        if person.id in self._direct_channels:
            return self._direct_channels[person.id]
        channel = Channel(
            self,
            self.world.new_id("D"),
            "directmessage",
            is_bot_member=True,
            is_private=True,
            is_archived=False,
            person=person,
        )
        self.channels[channel.id] = self._direct_channels[person.id] = channel
        return channel

    def direct_messages(self, person: Person) -> list[Message]:
        """Return the messages between the app and `person`, oldest first."""
        return self.direct_channel(person).messages
