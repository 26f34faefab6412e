"""Redrawing the message that was pressed on, over the interaction of the last press."""

from collections.abc import Awaitable, Callable

import discord
from discord import ui

from bot import redraws
from bot.discord.errors import translated
from bot.discord.marks import is_pressed_on_its_own

Draw = Callable[[], Awaitable[ui.LayoutView]]


class Redraws:
    """The redraws that are going on, one task a message."""

    def __init__(self, *, pause_seconds: float = redraws.PAUSE_SECONDS) -> None:
        self._redraws = redraws.Redraws(pause_seconds=pause_seconds)

    def ask(self, interaction: discord.Interaction, draw: Draw) -> None:
        """Have the message that was pressed on drawn again, soon, if it is the one that shows the pressed button."""
        if interaction.message is None or not is_pressed_on_its_own(interaction):
            return
        self._redraws.soon((str(interaction.message.id),), lambda: _draw(interaction, draw))

    async def close(self) -> None:
        """Draw what is still wanted, for a moment, and drop the rest."""
        await self._redraws.close()


async def _draw(interaction: discord.Interaction, draw: Draw) -> None:
    view = await draw()
    with translated():
        await interaction.edit_original_response(view=view)
