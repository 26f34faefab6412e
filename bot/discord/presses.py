"""What happens when somebody presses a button of a card.

A vote is stored before it is acknowledged, because the acknowledgement is its proof; what leads to a new message is
acknowledged first. Who may do what is decided by the services.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import discord
from discord import ui

from bot.acknowledge import stored_then_acknowledged
from bot.actions import Action, mark, read_mark
from bot.cards import explain_button, request_card
from bot.discord.asking import Asking, Work
from bot.discord.conversation import Acknowledgement, Conversation
from bot.discord.forms import explain_form, remix_form
from bot.discord.identity import event_id_of, identity_of, is_ephemeral
from bot.discord.lists import Lists
from bot.discord.marks import is_card, is_pressed_on_its_own
from bot.discord.redraws import Redraws
from bot.discord.views import Block, blocks_view, card_view, control_of
from bot.opinions import Pressed
from core.records import Destination, Thumb

_FORM_SECONDS = 1.5  # a form has to be the first response, of which Discord waits 3 s

Press = Callable[[discord.Interaction, str], Awaitable[None]]


class Presses:
    """The buttons of cards; `__call__` takes any of them."""

    def __init__(self, conversation: Conversation, asking: Asking, lists: Lists, redraws: Redraws) -> None:
        self._conversation = conversation
        self._chat = conversation.services.chat
        self._collection = conversation.services.collection
        self._catalogs = conversation.services.catalogs
        self._asking = asking
        self._lists = lists
        self._redraws = redraws
        self._press_of: Mapping[Action, Press] = {
            Action.UP: self._up,
            Action.DOWN: self._down,
            Action.EXPLAIN: self._explain,
            Action.VARY: self._vary,
            Action.SAVE: self._save,
            Action.SHARE: self._share,
            Action.REMIX: self._remix,
            Action.REROLL: self._reroll,
            Action.DELETE: self._delete,
            Action.CANCEL: self._cancel,
        }

    async def __call__(self, interaction: discord.Interaction, custom_id: str) -> None:
        """Do what the pressed button says.

        Raises:
            NotFound: the button is of another version, or its target is not this person's to press on.
        """
        action, target_id = read_mark(custom_id)
        await self._press_of[action](interaction, target_id)

    async def _up(self, interaction: discord.Interaction, candidate_id: str) -> None:
        await self._vote(interaction, candidate_id, Thumb.UP)

    async def _down(self, interaction: discord.Interaction, candidate_id: str) -> None:
        pressed, is_first = await self._vote(interaction, candidate_id, Thumb.DOWN)
        if pressed.standing is Thumb.DOWN and is_first:
            await self._conversation.show(interaction, self._ask_why(interaction, candidate_id))

    async def _vote(self, interaction: discord.Interaction, candidate_id: str, thumb: Thumb) -> tuple[Pressed, bool]:
        acknowledge = Acknowledgement(interaction)
        pressing = self._chat.store_press(
            identity_of(interaction),
            candidate_id,
            thumb,
            event_id=event_id_of(interaction),
            occurred_at=interaction.created_at,
        )
        pressed = await stored_then_acknowledged(pressing, acknowledge)
        if interaction.message is not None and is_card(interaction.message):
            self._redraws.ask(interaction, lambda: self._drawn(interaction, pressed.request_id))
        return pressed, acknowledge.is_first

    async def _explain(self, interaction: discord.Interaction, candidate_id: str) -> None:
        async with asyncio.timeout(_FORM_SECONDS):
            given = await self._chat.feedback_of(identity_of(interaction), candidate_id)
        language = self._conversation.language(interaction)
        await interaction.response.send_modal(explain_form(candidate_id, given, self._catalogs, language))

    async def _vary(self, interaction: discord.Interaction, candidate_id: str) -> None:
        async def work(event_id: str, destination: Destination) -> object:
            identity = identity_of(interaction)
            return await self._chat.vary(identity, candidate_id, event_id=event_id, reply_to=destination)

        await self._follow(interaction, work, mark(Action.VARY, candidate_id))

    async def _reroll(self, interaction: discord.Interaction, request_id: str) -> None:
        async def work(event_id: str, destination: Destination) -> object:
            identity = identity_of(interaction)
            return await self._chat.reroll(identity, request_id, event_id=event_id, reply_to=destination)

        await self._follow(interaction, work, mark(Action.REROLL, request_id))

    async def _share(self, interaction: discord.Interaction, candidate_id: str) -> None:
        async def work(event_id: str, destination: Destination) -> None:
            identity = identity_of(interaction)
            await self._chat.share(identity, candidate_id, event_id=event_id, reply_to=destination)

        pressed = mark(Action.SHARE, candidate_id)
        await self._asking.answer_press_later(interaction, work, is_private=False, pressed=pressed)

    async def _remix(self, interaction: discord.Interaction, request_id: str) -> None:
        async with asyncio.timeout(_FORM_SECONDS):
            view = await self._chat.view_shared(identity_of(interaction), request_id)
        language = self._conversation.language(interaction)
        await interaction.response.send_modal(remix_form(request_id, view.idea, self._catalogs, language))

    async def _save(self, interaction: discord.Interaction, candidate_id: str) -> None:
        acknowledge = Acknowledgement(interaction)
        saving = self._collection.toggle_saved(
            identity_of(interaction), candidate_id, event_id=event_id_of(interaction)
        )
        is_saved = await stored_then_acknowledged(saving, acknowledge)
        if acknowledge.is_first:
            key = "cards.done.saved" if is_saved else "cards.done.unsaved"
            await self._conversation.say(interaction, self._conversation.text(interaction, key))

    async def _delete(self, interaction: discord.Interaction, request_id: str) -> None:
        acknowledge = Acknowledgement(interaction)
        await stored_then_acknowledged(self._chat.delete(identity_of(interaction), request_id), acknowledge)
        if acknowledge.is_first:
            if is_pressed_on_its_own(interaction):
                await interaction.delete_original_response()
            await self._conversation.say(interaction, self._conversation.text(interaction, "cards.done.deleted"))

    async def _cancel(self, interaction: discord.Interaction, request_id: str) -> None:
        acknowledge = Acknowledgement(interaction)
        await stored_then_acknowledged(self._chat.cancel(identity_of(interaction), request_id), acknowledge)
        if interaction.message is not None and not is_card(interaction.message):
            self._redraws.ask(interaction, lambda: self._lists.queue_view(interaction))
        else:
            self._redraws.ask(interaction, lambda: self._drawn(interaction, request_id))

    async def _follow(self, interaction: discord.Interaction, work: Work, pressed: str) -> None:
        """Answer a press with a message of its own, no less private than the one that was pressed on."""
        is_private = True if is_ephemeral(interaction) else None
        await self._asking.answer_press_later(interaction, work, is_private=is_private, pressed=pressed)

    async def _drawn(self, interaction: discord.Interaction, request_id: str) -> ui.LayoutView:
        """Return the request's card as it is now."""
        view = await self._chat.view_shared(identity_of(interaction), request_id)
        if is_ephemeral(interaction):
            language = self._conversation.language(interaction)
        else:
            settings = await self._conversation.settings_in_time(interaction)
            language = self._conversation.shared_language(interaction, settings)
        return card_view(request_card(view, self._catalogs, language), self._catalogs, language)

    def _ask_why(self, interaction: discord.Interaction, candidate_id: str) -> ui.LayoutView:
        language = self._conversation.language(interaction)
        control = control_of(explain_button(candidate_id, self._catalogs, language))
        return blocks_view([Block(text=self._catalogs.text(language, "cards.voted.down"), controls=(control,))])
