"""Take docs/web-chat.png from a web chat that is running, with whatever model answers there.

python -m tests.bot.screenshot http://127.0.0.1:8765 docs/web-chat.png [--dark] [--width 1280]
"""

import argparse
import asyncio
from pathlib import Path

from tests.bot.chromium import running_chromium

IDEA = "/mjprompt a boy running in the snow"
ANSWER_TIMEOUT_MS = 180_000


async def take(address: str, file: Path, *, is_dark: bool, width: int, height: int) -> None:
    """Ask for one idea, like its first prompt, and keep a picture of the page."""
    async with running_chromium() as chromium:
        page = await chromium.new_page(
            viewport={"width": width, "height": height},
            device_scale_factor=1.5,
            color_scheme="dark" if is_dark else "light",
            reduced_motion="reduce",
        )
        await page.goto(address)
        await page.get_by_role("textbox").fill(IDEA)
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Thumb up for prompt 1").click(timeout=ANSWER_TIMEOUT_MS)
        await page.mouse.move(0, 0)
        await page.wait_for_timeout(500)
        await page.screenshot(path=file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("file", type=Path)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1060)
    options = parser.parse_args()
    asyncio.run(take(options.address, options.file, is_dark=options.dark, width=options.width, height=options.height))


if __name__ == "__main__":
    main()
