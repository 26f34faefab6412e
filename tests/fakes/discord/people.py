"""People at a place: everything that somebody can do with the bot through Discord's client.

Each action waits until the bot acknowledged it, `patience_seconds` at most, and returns the interaction.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tests.fakes.discord import payloads
from tests.fakes.discord.commands import Command, Commands, installs_at, owners_of, typed
from tests.fakes.discord.components import ButtonStyle, Kind, walk
from tests.fakes.discord.errors import NotPossible
from tests.fakes.discord.forms import filled_in
from tests.fakes.discord.interactions import (
    Interaction,
    InteractionKind,
    Interactions,
)
from tests.fakes.discord.messages import Message
from tests.fakes.discord.world import Channel, User


class Place:
    """One person in one channel."""

    def __init__(self, user: User, channel: Channel, commands: Commands, interactions: Interactions) -> None:
        self.user = user
        self.channel = channel
        self.patience_seconds = interactions.acknowledge_within_seconds
        self._commands = commands
        self._interactions = interactions

    def sees(self) -> list[Message]:
        """Return the messages that this person sees here, oldest first; private ones of others are not among them."""
        return [each for each in self.channel.all_messages() if each.viewer in (None, self.user)]

    def commands(self) -> list[Command]:
        """Return the commands that Discord offers to this person here."""
        return self._commands.seen_by(self.user, self.channel)

    async def slash(self, command: str, **options: Any) -> Interaction:
        """Use a command, such as "mjprompt" or "model show".

        Raises:
            NotPossible: the client would not send that.
        """
        return await self._command(InteractionKind.COMMAND, command, options, focused=None)

    async def autocomplete(self, command: str, option: str, text: str, **others: Any) -> list[tuple[str, Any]]:
        """Type `text` into an option; return the name and value of each choice that the bot offers.

        Raises:
            NotPossible: the client would not ask for choices.
        """
        values = {**others, option: text}
        return (await self._command(InteractionKind.AUTOCOMPLETE, command, values, focused=option)).choices

    async def click(self, message: Message, button: str) -> Interaction:
        """Press the button with this label or custom_id.

        Raises:
            NotPossible: there is no such button, or it cannot be pressed.
        """
        self._check_sees(message)
        found = message.button(button)
        if found.is_disabled or found.style in {ButtonStyle.LINK, ButtonStyle.PREMIUM}:
            raise NotPossible(f"The button {button!r} tells the bot nothing: {found}")
        return await self._press(message, {"custom_id": found.custom_id, "component_type": int(Kind.BUTTON)})

    async def choose(self, message: Message, custom_id: str, *values: str) -> Interaction:
        """Choose from a select menu.

        Raises:
            NotPossible: there is no such menu, or it does not offer that.
        """
        self._check_sees(message)
        menus = [each for each in walk(message.components) if each["type"] == Kind.STRING_SELECT]
        menu = next((each for each in menus if each["custom_id"] == custom_id), None)
        offered = [] if menu is None else [option["value"] for option in menu["options"]]
        if menu is None or not set(values) <= set(offered):
            raise NotPossible(f"No menu {custom_id!r} offers {values}; it has {offered}")
        data = {"custom_id": custom_id, "component_type": int(Kind.STRING_SELECT), "values": list(values)}
        return await self._press(message, data)

    async def click_forged(self, message: Message, custom_id: str) -> Interaction:
        """Press a button that the bot never sent: `message` reaches it with `custom_id` on its first button.

        Raises:
            NotPossible: the message has no button.
        """
        forged = _with_forged_button(payloads.message(message), custom_id)
        data = {"custom_id": custom_id, "component_type": int(Kind.BUTTON)}
        return await self._press(message, data, source_payload=forged)

    async def submit(self, opened: Interaction, values: Mapping[str, Any]) -> Interaction:
        """Send the form that `opened` was answered with; keys are custom_ids or labels of its fields.

        A field that is not among `values` keeps what the bot filled in.

        Raises:
            NotPossible: there is no form, or the client would not send it like that.
        """
        if opened.modal is None or opened.user is not self.user:
            raise NotPossible(f"The bot opened no form for {self.user.name}.")
        source_payload = None if opened.source is None else payloads.message(opened.source)
        interaction = self._interactions.send(
            InteractionKind.MODAL_SUBMIT,
            self.user,
            self.channel,
            filled_in(opened.modal, values),
            owners=opened.owners,
            source=opened.source,
            source_payload=source_payload,
        )
        return await self._acknowledged(interaction)

    async def _command(
        self, kind: InteractionKind, name: str, values: Mapping[str, Any], *, focused: str | None
    ) -> Interaction:
        first, *path = name.split()
        command = self._commands.find(first, self.user, self.channel)
        data = typed(command, path, values, focused)
        owners = owners_of(command, self.user, self.channel)
        return await self._acknowledged(self._interactions.send(kind, self.user, self.channel, data, owners=owners))

    async def _press(
        self, message: Message, data: dict[str, Any], source_payload: payloads.Payload | None = None
    ) -> Interaction:
        interaction = self._interactions.send(
            InteractionKind.COMPONENT,
            self.user,
            self.channel,
            data,
            owners=self._owners(message),
            source=message,
            source_payload=source_payload or payloads.message(message),
        )
        return await self._acknowledged(interaction)

    def _owners(self, message: Message) -> dict[str, str]:
        """Return whose install a button belongs to: that of the command which made its message."""
        made_by = message.interaction
        return installs_at(self.user, self.channel) if made_by is None else made_by.owners

    def _check_sees(self, message: Message) -> None:
        if message.is_deleted or message.channel is not self.channel or message.viewer not in (None, self.user):
            raise NotPossible(f"{self.user.name} does not see that message here")

    async def _acknowledged(self, interaction: Interaction) -> Interaction:
        await interaction.wait_for_acknowledgement(self.patience_seconds)
        return interaction


def _with_forged_button(message: payloads.Payload, custom_id: str) -> payloads.Payload:
    """Return a copy of `message` whose first button has `custom_id`."""
    copied: payloads.Payload = deepcopy(message)
    for component in walk(copied["components"]):
        if component["type"] == Kind.BUTTON and "custom_id" in component:
            component["custom_id"] = custom_id
            return copied
    raise NotPossible("The message has no button to forge")
