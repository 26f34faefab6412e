"""Posting and changing messages: what the routes of channels and of interactions have in common."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.discord.errors import unknown_message
from tests.fakes.discord.message_limits import could_ping, read_edit, read_new
from tests.fakes.discord.messages import Attachment, Message
from tests.fakes.discord.rest import Call
from tests.fakes.discord.world import Channel, World


class Posting:
    """Makes and changes the bot's messages; `violate` is told of those that could ping somebody."""

    def __init__(self, world: World, violate: Callable[[str], None]) -> None:
        self.world = world
        self._violate = violate

    def new(self, call: Call, body: Mapping[str, Any], channel: Channel, **properties: Any) -> Message:
        """Post what `body` says; `properties` are further fields of the message.

        Raises:
            Refusal: Discord would not accept it.
        """
        self._check_mentions(call, body)
        is_answer = "interaction" in properties
        values = read_new(body, call.files, can_be_ephemeral=is_answer)
        values |= {"attachments": self._attachments(call.files), **properties}
        return self.world.add_message(channel, self.world.bot, values)

    def edit(self, call: Call, body: Mapping[str, Any], message: Message) -> Message:
        """Change `message` as `body` says.

        Raises:
            Refusal: Discord would not accept it.
        """
        self._check_mentions(call, body)
        values = read_edit(message, body, call.files)
        values["attachments"] = _kept(message, body) + self._attachments(call.files)
        message.edit(values, now=self.world.clock.now())
        return message

    def find(self, message_id: str, channel: Channel | None = None) -> Message:
        """Return the message, in `channel` if one is given.

        Raises:
            Refusal: 10008, there is none or it was deleted.
        """
        message = self.world.messages.get(message_id)
        if message is None or message.is_deleted or (channel is not None and message.channel is not channel):
            raise unknown_message()
        return message

    def _check_mentions(self, call: Call, body: Mapping[str, Any]) -> None:
        if could_ping(body):
            self._violate(f"{call.method} with text but without allowed_mentions {{'parse': []}}: {body}"[:300])

    def _attachments(self, files: Mapping[str, bytes]) -> list[Attachment]:
        return [Attachment(id=self.world.ids.next(), filename=name, content=each) for name, each in files.items()]


def _kept(message: Message, body: Mapping[str, Any]) -> list[Attachment]:
    """Return the attachments that stay: all, or those that `body` lists."""
    if "attachments" not in body:
        return message.attachments
    listed = {str(each["id"]) for each in body["attachments"]}
    return [attachment for attachment in message.attachments if attachment.id in listed]
