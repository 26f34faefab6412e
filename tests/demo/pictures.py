"""Drawn conversations into PNG files, by the machine's own Chromium."""

from collections.abc import Mapping
from pathlib import Path

from tests.bot.chromium import running_chromium
from tests.demo.page import Conversation, frame_html, page_html

SCALE = 1.32  # of the pictures to the page, for text that is sharp where a picture is shown smaller
NARROW, WIDE = 600, 680  # of a column that has another beside it, of a single one; in CSS pixels


async def draw(folder: Path, discord: Conversation, slack: Conversation) -> Mapping[str, Path]:
    """Write conversations.png, discord.png and slack.png into a folder that is there; return them by their names.

    Raises:
        RuntimeError: there is no Chromium.
    """
    both = [frame_html(each, each.highlights) for each in (discord, slack)]
    pages = {"conversations": page_html(both, column_width=NARROW)}
    for each in (discord, slack):
        pages[each.platform] = page_html([frame_html(each, each.pieces)], column_width=WIDE)
    async with running_chromium() as chromium:
        page = await chromium.new_page(viewport={"width": 1600, "height": 900}, device_scale_factor=SCALE)
        for name, html in pages.items():
            await page.set_content(html)
            await page.locator("main").screenshot(path=folder / f"{name}.png", omit_background=True)
    return {name: folder / f"{name}.png" for name in pages}
