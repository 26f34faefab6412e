"""The panels of bot/panels.py as blocks of Discord Markdown: pure functions.

Like a card's, a panel's prompts are shown whole; ideas are shortened so that all of a page fits into one message.
"""

from collections.abc import Callable

from bot.discord.markup import escaped, fenced, size
from bot.discord.views import MAX_CHARACTERS, Block, Control
from bot.panels import Panel, PanelLine

_TITLE_CHARACTERS = 120
_NOTE_CHARACTERS = 400
_LINE_CHARACTERS = 110  # of a line that has to share a page with prompts
_ALONE_CHARACTERS = 300  # of a line among others without prompts

Controls = Callable[[PanelLine], tuple[Control, ...]]


def panel_blocks(panel: Panel, controls: Controls = lambda _: ()) -> list[Block]:
    """Return a panel's blocks, each line with its own controls below."""
    head = f"### {escaped(panel.title, _TITLE_CHARACTERS)}"
    note = f"-# {escaped(panel.note, _NOTE_CHARACTERS)}" if panel.note else ""
    room = MAX_CHARACTERS - size(head) - size(note)
    blocks = [Block(text=head)]
    shares_with_prompts = any(line.prompt is not None for line in panel.lines)
    line_limit = _LINE_CHARACTERS if shares_with_prompts else _ALONE_CHARACTERS
    for place, line in enumerate(panel.lines, start=1):
        kept_free = _LINE_CHARACTERS * (len(panel.lines) - place) if shares_with_prompts else 0
        text = _line_text(line, min(line_limit, max(room, 1)), room - kept_free)
        room -= size(text)
        blocks.append(Block(text=text, controls=controls(line)))
    return [*blocks, Block(text=note)] if note else blocks


def _line_text(line: PanelLine, limit: int, room: int) -> str:
    """Return a line with its prompt where `room` has a place for both; without it, Show still leads to it."""
    text = escaped(line.text, limit)
    if line.prompt is None:
        return text
    whole = f"{text}\n{fenced(line.prompt)}"
    return whole if size(whole) <= room else text
