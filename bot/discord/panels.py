"""The panels that commands open: privacy, the model, the workspace's settings, and questions before what matters.

Each is drawn from the records of the moment, for the person alone. What their buttons do is in
bot/discord/controls.py.
"""

import discord
from discord import ui

from bot.cards import ButtonLook
from bot.cycle_texts import plan_panel, status_panel
from bot.discord.conversation import Conversation
from bot.discord.identity import identity_of
from bot.discord.marks import ControlName, control_mark
from bot.discord.markup import escaped
from bot.discord.panel_views import panel_blocks
from bot.discord.views import Block, Control, blocks_view
from bot.panels import model_panel, privacy_panel, settings_panel
from core.records import WorkspaceSettings


class Panels:
    """The panels over the services."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._services = conversation.services

    async def privacy_view(self, interaction: discord.Interaction) -> ui.LayoutView:
        """Return what is kept about the person, with what they can do about it."""
        overview = await self._services.privacy.overview(identity_of(interaction))
        panel = privacy_panel(overview, self._services.catalogs, self._conversation.language(interaction))
        consent = (
            self._control(interaction, ControlName.NO_CONSENT, "privacy.forbid")
            if overview.has_consented
            else self._control(interaction, ControlName.CONSENT, "privacy.allow", look=ButtonLook.GOOD)
        )
        export = self._control(interaction, ControlName.EXPORT, "privacy.export")
        forget = self._control(interaction, ControlName.FORGET, "privacy.delete", look=ButtonLook.BAD)
        return blocks_view([*panel_blocks(panel), Block(text="", controls=(export, consent, forget))])

    def forget_view(self, interaction: discord.Interaction) -> ui.LayoutView:
        """Return the question before everything is deleted."""
        surely = self._control(interaction, ControlName.FORGET_SURELY, "privacy.delete_yes", look=ButtonLook.BAD)
        back = self._control(interaction, ControlName.PRIVACY, "privacy.delete_no")
        return self._question(interaction, "privacy.delete_title", "privacy.delete_confirm", surely, back)

    async def model_view(self, interaction: discord.Interaction) -> ui.LayoutView:
        """Return what serves now."""
        status = await self._services.administration.model_status(identity_of(interaction))
        panel = model_panel(status, self._services.catalogs, self._conversation.language(interaction))
        return blocks_view(panel_blocks(panel))

    def settings_view(
        self, interaction: discord.Interaction, settings: WorkspaceSettings, *, is_changed: bool
    ) -> ui.LayoutView:
        """Return the workspace's settings; `is_changed` says so above them."""
        panel = settings_panel(settings, self._services.catalogs, self._conversation.language(interaction))
        blocks = panel_blocks(panel)
        if is_changed:
            blocks.append(Block(text=escaped(self._conversation.text(interaction, "settings.saved"))))
        return blocks_view(blocks)

    def retrain_view(self, interaction: discord.Interaction) -> ui.LayoutView:
        """Return the question before a training."""
        sure = self._sure(interaction, ControlName.RETRAIN, str(interaction.id))
        return self._question(interaction, "model.retrain_title", "model.retrain_confirm", sure)

    async def plan_view(self, interaction: discord.Interaction) -> ui.LayoutView:
        """Return what the votes are enough for, with the button that begins a training where they are."""
        outlook = await self._services.learning.outlook(identity_of(interaction))
        panel = plan_panel(outlook, self._services.catalogs, self._conversation.language(interaction))
        blocks = panel_blocks(panel)
        if outlook.missing is None:
            start = self._sure(interaction, ControlName.RETRAIN, str(interaction.id), label="model.retrain_start")
            close = self._control(interaction, ControlName.CLOSE, "form.close")
            blocks.append(Block(text="", controls=(start, close)))
        return blocks_view(blocks)

    async def cycle_view(self, interaction: discord.Interaction) -> ui.LayoutView:
        """Return how the present training goes, or how the last one ended."""
        status = await self._services.learning.status(identity_of(interaction))
        panel = status_panel(status, self._services.catalogs, self._conversation.language(interaction))
        return blocks_view(panel_blocks(panel))

    def cancel_view(self, interaction: discord.Interaction) -> ui.LayoutView:
        """Return the question before a training is cancelled."""
        sure = self._sure(interaction, ControlName.CANCEL_RETRAIN, str(interaction.id))
        return self._question(interaction, "model.cancel_retrain_title", "model.cancel_retrain_confirm", sure)

    def promote_view(self, interaction: discord.Interaction, adapter: str) -> ui.LayoutView:
        """Return the question before another adapter answers everybody."""
        sure = self._sure(interaction, ControlName.PROMOTE, f"{interaction.id}.{adapter}")
        return self._question(interaction, "model.promote_title", "model.promote_confirm", sure, adapter=adapter)

    def rollback_view(self, interaction: discord.Interaction) -> ui.LayoutView:
        """Return the question before the earlier adapter answers again."""
        sure = self._sure(interaction, ControlName.ROLLBACK, str(interaction.id))
        return self._question(interaction, "model.rollback_title", "model.rollback_confirm", sure)

    def _question(
        self, interaction: discord.Interaction, title: str, question: str, *controls: Control, **values: object
    ) -> ui.LayoutView:
        if len(controls) == 1:
            controls = (*controls, self._control(interaction, ControlName.CLOSE, "form.close"))
        heading = escaped(self._conversation.text(interaction, title))
        sentence = escaped(self._conversation.text(interaction, question, **values))
        return blocks_view([Block(text=f"### {heading}\n{sentence}", controls=controls)])

    def _sure(
        self, interaction: discord.Interaction, name: ControlName, argument: str, *, label: str = "model.confirm"
    ) -> Control:
        text = self._conversation.text(interaction, label)
        return Control(custom_id=control_mark(name, argument), label=text, look=ButtonLook.GOOD)

    def _control(
        self, interaction: discord.Interaction, name: ControlName, key: str, *, look: ButtonLook = ButtonLook.PLAIN
    ) -> Control:
        return Control(custom_id=control_mark(name), label=self._conversation.text(interaction, key), look=look)
