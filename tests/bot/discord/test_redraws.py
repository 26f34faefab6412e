"""Redraws: the first one at once, then at most one a pause, and the last state wins."""

import asyncio
from types import SimpleNamespace
from typing import Any

from discord import ui

from bot.discord.redraws import Redraws
from bot.discord.views import Block, blocks_view


class PressedMessage:
    """An interaction as far as a redraw needs it; it keeps what is drawn."""

    def __init__(self, *, fails: bool = False, presses: str | None = None) -> None:
        self.id, shown = 1, "mj1:up:01ARZ3NDEKTSV4RRFFQ69G5FAV"
        self.data = {"custom_id": shown if presses is None else presses}
        self.message = SimpleNamespace(id=7, components=[SimpleNamespace(custom_id=shown)])
        self.drawn: list[ui.LayoutView] = []
        self._fails = fails

    async def edit_original_response(self, *, view: ui.LayoutView) -> None:
        if self._fails:
            raise ConnectionResetError
        self.drawn.append(view)


async def view() -> ui.LayoutView:
    return blocks_view([Block(text="x")])


async def test_many_presses_in_one_pause_are_drawn_twice() -> None:
    redraws, message = Redraws(pause_seconds=0.05), PressedMessage()
    pressed: Any = message
    for _ in range(20):
        redraws.ask(pressed, view)
        await asyncio.sleep(0)
    await redraws.close()
    assert len(message.drawn) == 2


async def test_redraw_that_fails_does_not_keep_the_next_one_from_being_drawn() -> None:
    redraws, failing, message = Redraws(pause_seconds=0.01), PressedMessage(fails=True), PressedMessage()
    pressed: Any = failing
    redraws.ask(pressed, view)
    await asyncio.sleep(0.005)
    pressed = message
    redraws.ask(pressed, view)
    await redraws.close()
    assert len(message.drawn) == 1


async def test_message_that_does_not_show_the_pressed_button_is_left_as_it_is() -> None:
    redraws, message = Redraws(pause_seconds=0.01), PressedMessage(presses="mj1:up:01BX5ZZKBKACTAV9WEVGEMMVRZ")
    pressed: Any = message
    redraws.ask(pressed, view)
    await redraws.close()
    assert message.drawn == []
