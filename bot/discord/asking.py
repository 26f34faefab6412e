"""Everything that leads to a new message: an ask, a variation, an edited or repeated idea, a shared prompt.

The order is always the same: check what can be checked at once, acknowledge, store with the address of the answer.
The answer itself is delivered later, from the outbox. It knows nothing of commands or buttons.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import discord

from bot.ask_options import AskOptions, joined, split_flags
from bot.discord.conversation import Acknowledgement, Conversation, acknowledged_as_waiting
from bot.discord.identity import destination_of, event_id_of, identity_of
from bot.recent import RecentPresses
from core.records import Destination

Work = Callable[[str, Destination], Awaitable[object]]  # event id, destination of the answer


class Asking:
    """Starts requests and shares prompts out of interactions."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._presses = RecentPresses()

    async def ask(self, interaction: discord.Interaction, text: str, options: AskOptions) -> None:
        """Take in one idea.

        Raises:
            InvalidIdea, InvalidParameter: the text cannot be taken; nothing was acknowledged yet.
            TooManyRequests: a quota or the queue's limit is reached; the waiting message is there already.
        """
        chat, identity = self._conversation.services.chat, identity_of(interaction)
        chat.check(text, options)
        options = joined(split_flags(text)[1], options)

        async def work(event_id: str, destination: Destination) -> object:
            chosen = replace(options, is_private=bool(destination["is_private"]))
            return await chat.ask(identity, text, event_id=event_id, reply_to=destination, options=chosen)

        await self.answer_later(interaction, work, is_private=options.is_private)

    async def answer_later(self, interaction: discord.Interaction, work: Work, *, is_private: bool | None) -> None:
        """Acknowledge with a waiting message, then do `work`, which stores what the outbox needs to fill it.

        `is_private` None leaves it to the workspace's settings; settings that cannot be read in time mean private.
        """
        settings = await self._conversation.settings_in_time(interaction)
        if is_private is None:
            is_private = settings is None or settings.is_private
        message_id = await acknowledged_as_waiting(interaction, is_private=is_private)
        conversation = self._conversation
        language = (
            conversation.language(interaction) if is_private else conversation.shared_language(interaction, settings)
        )
        destination = destination_of(interaction, message_id=message_id, is_private=is_private, language=language)
        await work(event_id_of(interaction), destination.as_json())

    async def answer_press_later(
        self, interaction: discord.Interaction, work: Work, *, is_private: bool | None, pressed: str
    ) -> None:
        """Do as `answer_later`, once for a button that is pressed twice in a row."""
        at_seconds = interaction.created_at.timestamp()
        if self._presses.is_double(str(interaction.user.id), pressed, at_seconds=at_seconds):
            await Acknowledgement(interaction)()
            return
        await self.answer_later(interaction, work, is_private=is_private)
