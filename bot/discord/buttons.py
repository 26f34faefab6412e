"""The doors through which presses come in: one class a kind of custom_id, each of which works after any restart.

discord.py makes an item anew for each press from the custom_id alone. What a press does is behind the handler.
"""

from collections.abc import Awaitable, Callable
from re import Match
from typing import Any, Self

import discord
from discord import ui

Handler = Callable[[discord.Interaction, str], Awaitable[None]]
ButtonClass = type[ui.DynamicItem[ui.Button[Any]]]


def button_class(pattern: str, handler: Handler) -> ButtonClass:
    """Return the class of the buttons whose custom_id matches `pattern`; a press is given to `handler`.

    `handler` answers every error itself: what it lets out, discord.py only logs.
    """

    class MarkedButton(ui.DynamicItem[ui.Button[Any]], template=pattern):
        """A button whose whole meaning is its custom_id."""

        @classmethod
        async def from_custom_id(
            cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
        ) -> Self:
            return cls(ui.Button(custom_id=match.string))

        async def callback(self, interaction: discord.Interaction[Any]) -> None:
            await handler(interaction, self.custom_id)

    return MarkedButton
