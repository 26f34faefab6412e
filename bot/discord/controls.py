"""What happens when somebody presses a control of a private list or panel.

Deleting everything and acting on the model take two presses; the second one names the interaction that asked, so that
pressing it twice counts once.
"""

import gzip
import io
import json
from collections.abc import Awaitable, Callable, Mapping

import discord

from bot.discord.conversation import (
    Acknowledgement,
    Conversation,
    acknowledged_as_waiting,
    acknowledged_in_place,
    require_pressed_on_its_own,
)
from bot.discord.destinations import DiscordDestination
from bot.discord.identity import followed_at, identity_of
from bot.discord.lists import Lists
from bot.discord.marks import ControlName
from bot.discord.markup import escaped
from bot.discord.panels import Panels
from bot.discord.views import Block, blocks_view
from bot.panels import forgotten_text
from core.errors import NotFound
from core.records import AuditAction

_MAX_PLAIN_BYTES = 8 * 1024 * 1024  # a larger export is compressed

Press = Callable[[discord.Interaction, str], Awaitable[None]]


class Controls:
    """The controls; `__call__` takes any of them."""

    def __init__(self, conversation: Conversation, lists: Lists, panels: Panels) -> None:
        self._conversation = conversation
        self._services = conversation.services
        self._lists = lists
        self._panels = panels
        self._press_of: Mapping[ControlName, Press] = {
            ControlName.SHOW: lists.show_request,
            ControlName.QUEUE: self._queue,
            ControlName.PRIVACY: self._privacy,
            ControlName.EXPORT: self._export,
            ControlName.CONSENT: self._consent,
            ControlName.NO_CONSENT: self._no_consent,
            ControlName.FORGET: self._forget,
            ControlName.FORGET_SURELY: self._forget_surely,
            ControlName.RETRAIN: self._retrain,
            ControlName.CANCEL_RETRAIN: self._cancel_retrain,
            ControlName.PROMOTE: self._promote,
            ControlName.ROLLBACK: self._rollback,
            ControlName.CLOSE: self._close,
        }

    async def __call__(self, interaction: discord.Interaction, custom_id: str) -> None:
        """Do what the pressed control says.

        Raises:
            NotFound: it is of another version.
        """
        _, name, argument = custom_id.split(":")
        if name not in {known.value for known in ControlName}:
            raise NotFound("This button is from another version of the bot; use the command again to get new ones.")
        await self._press_of[ControlName(name)](interaction, argument)

    async def _queue(self, interaction: discord.Interaction, _: str) -> None:
        await acknowledged_in_place(interaction)
        await interaction.edit_original_response(view=await self._lists.queue_view(interaction))

    async def _privacy(self, interaction: discord.Interaction, _: str) -> None:
        await acknowledged_in_place(interaction)
        await interaction.edit_original_response(view=await self._panels.privacy_view(interaction))

    async def _export(self, interaction: discord.Interaction, _: str) -> None:
        await acknowledged_as_waiting(interaction, is_private=True)
        file = _as_file(await self._services.privacy.export(identity_of(interaction)))
        sentence = self._conversation.text(interaction, "privacy.export_ready")
        await interaction.edit_original_response(content=escaped(sentence), attachments=[file])

    async def _consent(self, interaction: discord.Interaction, _: str) -> None:
        await self._decide(interaction, is_given=True)

    async def _no_consent(self, interaction: discord.Interaction, _: str) -> None:
        await self._decide(interaction, is_given=False)

    async def _decide(self, interaction: discord.Interaction, *, is_given: bool) -> None:
        await acknowledged_in_place(interaction)
        await self._services.chat.set_consent(identity_of(interaction), is_given=is_given)
        await interaction.edit_original_response(view=await self._panels.privacy_view(interaction))
        key = "privacy.consent_given" if is_given else "privacy.consent_withdrawn"
        await self._conversation.say(interaction, self._conversation.text(interaction, key))

    async def _forget(self, interaction: discord.Interaction, _: str) -> None:
        require_pressed_on_its_own(interaction)
        await interaction.response.edit_message(view=self._panels.forget_view(interaction))

    async def _forget_surely(self, interaction: discord.Interaction, _: str) -> None:
        await acknowledged_in_place(interaction)
        gone = await self._services.privacy.forget(identity_of(interaction))
        language = self._conversation.language(interaction)
        await self._replace(interaction, forgotten_text(gone, self._services.catalogs, language))

    async def _retrain(self, interaction: discord.Interaction, asked_by: str) -> None:
        settings = await self._conversation.settings_in_time(interaction)
        language = self._conversation.shared_language(interaction, settings)
        await self._confirm(interaction, AuditAction.RETRAIN, asked_by, {}, followed_at(interaction, language=language))

    async def _cancel_retrain(self, interaction: discord.Interaction, asked_by: str) -> None:
        await self._confirm(interaction, AuditAction.CANCEL_RETRAIN, asked_by, {})

    async def _promote(self, interaction: discord.Interaction, argument: str) -> None:
        asked_by, _, adapter = argument.partition(".")
        await self._confirm(interaction, AuditAction.PROMOTE, asked_by, {"adapter": adapter})

    async def _rollback(self, interaction: discord.Interaction, asked_by: str) -> None:
        await self._confirm(interaction, AuditAction.ROLLBACK, asked_by, {})

    async def _confirm(
        self,
        interaction: discord.Interaction,
        action: AuditAction,
        asked_by: str,
        details: Mapping[str, object],
        follow_at: DiscordDestination | None = None,
    ) -> None:
        await Acknowledgement(interaction)()
        sentence = await self._services.administration.confirm(
            identity_of(interaction),
            action,
            details=details,
            event_id=f"discord:{asked_by}",
            follow_at=None if follow_at is None else follow_at.as_json(),
        )
        require_pressed_on_its_own(interaction)
        await self._replace(interaction, sentence)

    async def _close(self, interaction: discord.Interaction, _: str) -> None:
        await acknowledged_in_place(interaction)
        await interaction.delete_original_response()

    async def _replace(self, interaction: discord.Interaction, sentence: str) -> None:
        """Show a sentence in place of the panel, whose buttons are done with."""
        await interaction.edit_original_response(view=blocks_view([Block(text=escaped(sentence))]))


def _as_file(export: Mapping[str, object]) -> discord.File:
    content = json.dumps(export, ensure_ascii=False, indent=2).encode()
    if len(content) <= _MAX_PLAIN_BYTES:
        return discord.File(io.BytesIO(content), "mjprompt-export.json")
    return discord.File(io.BytesIO(gzip.compress(content)), "mjprompt-export.json.gz")
