"""Cards drawn with Discord's components: pure functions, nothing is sent here.

Whatever a card holds, what is drawn keeps Discord's limits: 40 components, 5 buttons a row, 4000 characters of text.
A prompt is shown whole or not at all; only titles and notes are shortened. The buttons are plain ones: who pressed
which is read from its custom_id by bot/discord/buttons.py, also after a restart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import discord
from discord import ui

from bot.actions import mark
from bot.cards import Button, ButtonLook, Card
from bot.catalog import Catalogs
from bot.discord.markup import escaped, fenced, shortened, size

MAX_CHARACTERS = 4000  # of all the text of one message
MAX_COMPONENTS = 40
MAX_BUTTONS_PER_ROW = 5
MAX_LABEL_CHARACTERS = 80

_FRAME_CHARACTERS = 900  # what title, note and footer may always have together
_TITLE_SHARE, _NOTE_SHARE = 0.55, 0.3
_SENTENCE_CHARACTERS = 160  # kept free for the sentence in place of a prompt that does not fit
_LINE_CHARACTERS = 300
_STYLE_OF = {
    ButtonLook.PLAIN: discord.ButtonStyle.secondary,
    ButtonLook.GOOD: discord.ButtonStyle.success,
    ButtonLook.BAD: discord.ButtonStyle.danger,
}
_ACCENT = discord.Colour(0x5B6CFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A button of the bot's own lists and panels, which no card of bot/cards.py has."""

    custom_id: str
    label: str
    look: ButtonLook = ButtonLook.PLAIN
    is_enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some lines of finished Markdown with a row of buttons below."""

    text: str
    controls: tuple[Control, ...] = ()


def card_view(card: Card, catalogs: Catalogs, language: str) -> ui.LayoutView:
    """Draw one card."""
    too_long = escaped(catalogs.text(language, "discord.too_long_to_show"), _SENTENCE_CHARACTERS - 10)
    prompts = [fenced(candidate.prompt) for candidate in card.candidates]
    head, foot = _frame(card, room=MAX_CHARACTERS - sum(map(size, prompts)))
    prompts = _fitting(prompts, too_long, room=MAX_CHARACTERS - size(head) - size(foot))
    blocks = [Block(text=head)] if head else []
    if card.lines:
        blocks.append(Block(text=_lines(card.lines, room=MAX_CHARACTERS - size(head) - size(foot))))
    for candidate, prompt in zip(card.candidates, prompts, strict=True):
        blocks.append(Block(text=prompt, controls=_controls(candidate.buttons)))
    blocks.append(Block(text=foot, controls=_controls(card.buttons)))
    return blocks_view(blocks)


def blocks_view(blocks: Sequence[Block]) -> ui.LayoutView:
    """Draw blocks below each other in one frame; the view is finished: discord.py keeps nothing of it."""
    container: ui.Container[ui.LayoutView] = ui.Container(accent_colour=_ACCENT)
    for item in _items(blocks):
        container.add_item(item)
    view = ui.LayoutView(timeout=None)
    view.add_item(container)
    view.stop()
    return view


def control_of(button: Button) -> Control:
    """Return a card's button as it is drawn."""
    return Control(custom_id=mark(button.action, button.target_id), label=button.label, look=button.look)


def _controls(buttons: Sequence[Button]) -> tuple[Control, ...]:
    return tuple(control_of(button) for button in buttons)


def _frame(card: Card, *, room: int) -> tuple[str, str]:
    """Return head and foot, shortened to `room` but never below what they may always have."""
    room = max(_FRAME_CHARACTERS, room) - 20  # the marks around them
    note_room = int(room * _NOTE_SHARE)
    title = f"### {escaped(card.title, int(room * _TITLE_SHARE))}" if card.title else ""
    note = escaped(card.note, note_room) if card.note else ""
    said = " · ".join(filter(None, (card.byline, card.footer)))
    foot = f"-# {escaped(said, room - int(room * _TITLE_SHARE) - note_room)}" if said else ""
    return "\n".join(filter(None, (title, note))), foot


def _lines(lines: Sequence[str], *, room: int) -> str:
    """Return as many lines as there is room for; only a card without prompts has any."""
    shown: list[str] = []
    for line in lines:
        shown.append(escaped(line, _LINE_CHARACTERS))
        room -= size(shown[-1]) + 1
        if room < 0:
            return "\n".join(shown[:-1])
    return "\n".join(shown)


def _fitting(prompts: Sequence[str], too_long: str, *, room: int) -> list[str]:
    """Put a sentence in place of each prompt that leaves no room for those behind it, the best ones first."""
    shown: list[str] = []
    for place, prompt in enumerate(prompts):
        kept_free = _SENTENCE_CHARACTERS * (len(prompts) - place - 1)
        shown.append(prompt if size(prompt) <= room - kept_free else too_long)
        room -= size(shown[-1])
    return shown


def _items(blocks: Sequence[Block]) -> Iterator[ui.Item[ui.LayoutView]]:
    for block in blocks:
        if block.text:
            yield ui.TextDisplay(block.text)
        for first in range(0, len(block.controls), MAX_BUTTONS_PER_ROW):
            yield ui.ActionRow(*map(_button, block.controls[first : first + MAX_BUTTONS_PER_ROW]))


def _button(control: Control) -> ui.Button[ui.LayoutView]:
    return ui.Button(
        custom_id=control.custom_id,
        label=shortened(control.label, MAX_LABEL_CHARACTERS),
        style=_STYLE_OF[control.look],
        disabled=not control.is_enabled,
    )
