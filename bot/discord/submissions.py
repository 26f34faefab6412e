"""What happens when somebody submits a form: feedback is stored, an edited idea is asked.

The form says by its custom_id what it is for; it may have been opened before a restart.
"""

import discord

from bot.actions import Action, read_mark
from bot.ask_options import split_flags
from bot.discord.asking import Asking
from bot.discord.conversation import Conversation, acknowledged_as_waiting
from bot.discord.forms import IDEA, answers_of, feedback_in
from bot.discord.identity import identity_of, is_ephemeral
from core.errors import NotFound
from core.records import Destination


class Submissions:
    """The forms; `__call__` takes any submission."""

    def __init__(self, conversation: Conversation, asking: Asking) -> None:
        self._conversation = conversation
        self._asking = asking

    async def __call__(self, interaction: discord.Interaction, custom_id: str) -> None:
        """Take in one form.

        Raises:
            UserError: the form is of another version, or its answers cannot be taken.
        """
        action, target_id = read_mark(custom_id)
        if action is Action.EXPLAIN:
            await self._explained(interaction, target_id)
        elif action is Action.REMIX:
            await self._remixed(interaction, target_id)
        else:
            raise NotFound("This form is from another version of the bot; open it again.")

    async def _explained(self, interaction: discord.Interaction, candidate_id: str) -> None:
        given = feedback_in(answers_of(interaction))
        await acknowledged_as_waiting(interaction, is_private=True)
        chat, identity = self._conversation.services.chat, identity_of(interaction)
        await chat.give_feedback(identity, candidate_id, given)
        thanks = "form.thanks" if await chat.has_consented(identity) else "form.thanks_learning"
        await self._conversation.say(interaction, self._conversation.text(interaction, thanks))

    async def _remixed(self, interaction: discord.Interaction, request_id: str) -> None:
        chat, text = self._conversation.services.chat, answers_of(interaction).get(IDEA, "")
        chat.check(text)

        async def work(event_id: str, destination: Destination) -> object:
            identity = identity_of(interaction)
            return await chat.remix(identity, request_id, text, event_id=event_id, reply_to=destination)

        is_private = is_ephemeral(interaction) or split_flags(text)[1].is_private or None
        await self._asking.answer_later(interaction, work, is_private=is_private)
