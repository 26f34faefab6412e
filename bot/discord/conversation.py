"""How the bot talks within one interaction: acknowledging, answering privately, and never leaving an error unanswered.

Every command, button and form runs inside `Conversation.run`. It knows Discord's rules (one acknowledgement, within
3 seconds, follow-ups after it), not what any command does.
"""

import asyncio
from collections.abc import Awaitable

import discord
from discord import ui

from bot.discord.errors import ALREADY_ACKNOWLEDGED, EXPECTED_CODES, log_error, reply_to
from bot.discord.identity import identity_of
from bot.discord.marks import is_pressed_on_its_own
from bot.discord.markup import escaped
from bot.discord.views import Block, blocks_view
from bot.services import Services
from core.errors import MjpromptError, NotFound
from core.logs import get_logger
from core.records import WorkspaceSettings

_LOG = get_logger(__name__)
_SETTINGS_SECONDS = 0.5  # before the acknowledgement, of which Discord allows 3
_MAX_SENTENCE_CHARACTERS = 1900
_WAITING_PUBLICLY, _WAITING_PRIVATELY = "waiting_publicly", "waiting_privately"  # kinds of waiting message


class Conversation:
    """Answers within interactions, in the language of whoever reads."""

    def __init__(self, services: Services) -> None:
        self.services = services

    async def run(self, interaction: discord.Interaction, work: Awaitable[None]) -> None:
        """Do `work`; an error becomes one private sentence, whatever was acknowledged before."""
        try:
            await work
        except Exception as error:  # nothing above this would answer the person
            await self.answer_error(interaction, error)

    def text(self, interaction: discord.Interaction, key: str, **values: object) -> str:
        """Return a text in the person's own language, for what only they see."""
        return self.services.catalogs.text(self.language(interaction), key, **values)

    def language(self, interaction: discord.Interaction) -> str:
        """Return the person's own language, for what only they see."""
        return self.services.catalogs.language(interaction.locale.value)

    def shared_language(self, interaction: discord.Interaction, settings: WorkspaceSettings | None) -> str:
        """Return the language for what everybody in the conversation sees: the workspace's choice comes first."""
        server = None if interaction.guild_locale is None else interaction.guild_locale.value
        chosen = None if settings is None else settings.language
        return self.services.catalogs.language(chosen, server, interaction.locale.value)

    async def settings_in_time(self, interaction: discord.Interaction) -> WorkspaceSettings | None:
        """Return the workspace's settings; None when they could not be read in time."""
        try:
            async with asyncio.timeout(_SETTINGS_SECONDS):
                return await self.services.administration.remembered_settings(identity_of(interaction))
        except (TimeoutError, MjpromptError) as error:
            _LOG.warning("discord.settings_unread", reason=type(error).__name__)
            return None

    async def say(self, interaction: discord.Interaction, sentence: str) -> None:
        """Show a plain sentence to the person alone."""
        await self.show(interaction, blocks_view([Block(text=escaped(sentence, _MAX_SENTENCE_CHARACTERS))]))

    async def show(self, interaction: discord.Interaction, view: ui.LayoutView) -> None:
        """Show a view to the person alone: as the first response, in its place, or after it."""
        if interaction.response.type is None:
            await interaction.response.send_message(view=view, ephemeral=True)
        elif interaction.extras.get(_WAITING_PRIVATELY):
            await interaction.edit_original_response(view=view)
        else:
            await interaction.followup.send(view=view, ephemeral=True)

    async def answer_error(self, interaction: discord.Interaction, error: Exception) -> None:
        """Show one private sentence for an error; one that Discord cannot show any more is only logged."""
        reply = reply_to(error)
        number = log_error(error, reply, interaction=interaction.id)
        if reply is None:
            return
        sentence = str(error) if reply.key is None else self.text(interaction, reply.key, id=number)
        try:
            await self._withdraw(interaction)
            await self.say(interaction, sentence)
        except discord.HTTPException as failure:
            _LOG.info("discord.error_unshown", code=failure.code, number=number)

    async def _withdraw(self, interaction: discord.Interaction) -> None:
        """Take back a waiting message that everybody sees, so that the sentence is seen by the person alone.

        It is filled before it goes: as long as it waits, Discord makes the first follow-up part of it.
        """
        if interaction.extras.pop(_WAITING_PUBLICLY, False):
            moment = self.text(interaction, "cards.placeholder")
            await interaction.edit_original_response(view=blocks_view([Block(text=escaped(moment))]))
            await interaction.delete_original_response()


class Acknowledgement:
    """One acknowledgement of a press that changes no message by itself; `is_first` is False for a replayed event."""

    def __init__(self, interaction: discord.Interaction) -> None:
        self._interaction = interaction
        self.is_first = False

    async def __call__(self) -> None:
        try:
            await self._interaction.response.defer()
            self.is_first = True
        except discord.HTTPException as error:
            if error.code not in EXPECTED_CODES:
                raise
            _LOG.info("discord.acknowledged_late", code=error.code)


async def acknowledged_in_place(interaction: discord.Interaction) -> None:
    """Acknowledge a press that is about to change the message which shows its button.

    Raises:
        NotFound: the message shows no such button, so it may be anybody's; nothing was acknowledged.
    """
    require_pressed_on_its_own(interaction)
    await Acknowledgement(interaction)()


def require_pressed_on_its_own(interaction: discord.Interaction) -> None:
    """Check that the message that was pressed on shows the pressed button.

    Raises:
        NotFound: it does not; nothing may be changed there.
    """
    if not is_pressed_on_its_own(interaction):
        raise NotFound("The message does not show that button any more; use the command again.")


async def acknowledged_as_waiting(interaction: discord.Interaction, *, is_private: bool) -> int | None:
    """Acknowledge with a message that says that the bot thinks; return its id, None where Discord gave none.

    A replayed event was acknowledged before; its work is done again all the same, because it changes nothing then.

    Raises:
        discord.HTTPException: Discord took no acknowledgement; nothing should be stored then.
    """
    try:
        response = await interaction.response.defer(thinking=True, ephemeral=is_private)
    except discord.HTTPException as error:
        if error.code != ALREADY_ACKNOWLEDGED:
            raise
        return None
    interaction.extras[_WAITING_PRIVATELY if is_private else _WAITING_PUBLICLY] = True
    return None if response is None else response.message_id
