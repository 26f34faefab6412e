"""Drawn conversations into PNG files, by the machine's own Chromium."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from tests.bot.chromium import running_chromium
from tests.demo.page import Conversation, frame_html, page_html

SCALE = 1.32  # of the pictures to the page, for text that is sharp where a picture is shown smaller
NARROW, WIDE = 600, 680  # of a column that has another beside it, of a single one; in CSS pixels
TABLE = 740  # of a column whose lines are those of a table and should not break
NUM_COLOURS = 96  # of a picture that has to be small; text stays clean


async def draw(folder: Path, discord: Conversation, slack: Conversation) -> Mapping[str, Path]:
    """Write conversations.png, discord.png and slack.png into a folder that is there; return them by their names.

    Raises:
        RuntimeError: there is no Chromium.
    """
    both = [frame_html(each, each.highlights) for each in (discord, slack)]
    pages = {"conversations": page_html(both, column_width=NARROW)}
    return await _draw_pages(folder, pages | {each.platform: _alone(each) for each in (discord, slack)})


async def draw_cycle(
    folder: Path, discord: Sequence[Conversation], slack: Sequence[Conversation]
) -> Mapping[str, Path]:
    """Write cycle-discord.png and cycle-slack.png, the conversations of each side by side; return them by their names.

    Raises:
        RuntimeError: there is no Chromium.
    """
    pages = {}
    for columns in (discord, slack):
        frames = [frame_html(each, each.pieces) for each in columns]
        pages[f"cycle-{columns[0].platform}"] = page_html(frames, column_width=TABLE)
    pictures = await _draw_pages(folder, pages)
    for file in pictures.values():
        _make_small(file)
    return pictures


def _alone(conversation: Conversation) -> str:
    return page_html([frame_html(conversation, conversation.pieces)], column_width=WIDE)


def _make_small(picture: Path) -> None:
    """Keep a palette of the colours in place of all of them."""
    with Image.open(picture) as drawn:
        drawn.quantize(NUM_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            picture, optimize=True
        )


async def _draw_pages(folder: Path, pages: Mapping[str, str]) -> Mapping[str, Path]:
    async with running_chromium() as chromium:
        page = await chromium.new_page(viewport={"width": 1600, "height": 900}, device_scale_factor=SCALE)
        for name, html in pages.items():
            await page.set_content(html)
            await page.locator("main").screenshot(path=folder / f"{name}.png", omit_background=True)
    return {name: folder / f"{name}.png" for name in pages}
