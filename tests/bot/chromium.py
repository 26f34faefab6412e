"""Starting the machine's own Chromium, headless, for tests and pictures."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "google-chrome", "chromium-browser")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """Run a headless Chromium until left.

    Raises:
        RuntimeError: none is installed.
    """
    path = next((path for name in NAMES if (path := shutil.which(name))), None)
    if path is None:
        raise RuntimeError("No Chromium was found; install Debian's package chromium.")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield chromium
        finally:
            await chromium.close()
