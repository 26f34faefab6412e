"""Redrawing messages after presses: at most once a pause for each message, and the last state always wins.

What is drawn is read when it is drawn, so two people pressing at once never leave an older count behind.
A redraw that is given up is only a picture that is late: the votes are stored. It knows no platform.
"""

import asyncio
from collections.abc import Awaitable, Callable

from core.errors import AddressGone, PlatformBusy, StorageBusy, UserError
from core.logs import get_logger

PAUSE_SECONDS = 1.0  # what platforms allow for one channel
MAX_AT_ONCE = 5  # drawing is dear: many at the same moment, each second anew, would hold up the presses themselves
MAX_ATTEMPTS = 5
CLOSE_SECONDS = 3.0

Key = tuple[str, ...]  # what is drawn on, as the platform names it
Draw = Callable[[], Awaitable[None]]
log = get_logger(__name__)


class Redraws:
    """Draws what was asked for last, for each message in turn."""

    def __init__(self, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._pause_seconds = pause_seconds
        self._is_closing = False
        self._wanted: dict[Key, Draw] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(MAX_AT_ONCE)

    def soon(self, key: Key, draw: Draw) -> None:
        """Have `draw` called, at once or after the pause; a newer one for the same key replaces it."""
        self._wanted[key] = draw
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._draw_until_done(key), name="redraw")

    async def close(self) -> None:
        """Draw what is still wanted, for a moment, and drop the rest."""
        self._is_closing = True
        tasks = list(self._tasks.values())
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _draw_until_done(self, key: Key) -> None:
        try:
            while (draw := self._wanted.pop(key, None)) is not None:
                await self._drawn(key, draw)
                await self._pause(self._pause_seconds)
        finally:
            del self._tasks[key]

    async def _drawn(self, key: Key, draw: Draw) -> None:
        for _ in range(MAX_ATTEMPTS):
            try:
                async with self._room:
                    await draw()
                return
            except PlatformBusy as error:
                await self._pause(error.retry_after_seconds)
                draw = self._wanted.pop(key, draw)
            except StorageBusy:
                await self._pause(self._pause_seconds)
                draw = self._wanted.pop(key, draw)
            except (AddressGone, UserError) as error:
                log.info("redraw.refused", reason=str(error))
                return
            except Exception as error:
                log.error("redraw.failed", exc_info=error)
                return

    async def _pause(self, seconds: float) -> None:
        """Wait, but not while closing."""
        await asyncio.sleep(0.0 if self._is_closing else seconds)
