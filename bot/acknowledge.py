"""Acknowledging a press in time: after it is stored where that is quick, at the deadline where it is not.

An acknowledgement after the work is its proof; one at the deadline keeps the platform from telling the person that
nothing answered. It knows neither platform nor what the work is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

WITHIN_SECONDS = 1.0  # platforms wait for 3 s, and the way there takes some of it

T = TypeVar("T")


async def stored_then_acknowledged(
    work: Awaitable[T], acknowledge: Callable[[], Awaitable[object]], *, within_seconds: float = WITHIN_SECONDS
) -> T:
    """Do `work` and acknowledge exactly once: after it, or at the deadline while it goes on; return its result.

    Work that fails is acknowledged just the same, and its error raised then: the caller shows the error, and never
    acknowledges. An acknowledgement that fails is raised after the work has ended. Whoever is cancelled before the
    acknowledgement has the work cancelled; after it, the work is ended first, because it was promised.
    """
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait({working}, timeout=within_seconds)
    except asyncio.CancelledError:
        working.cancel()
        await asyncio.wait({working})
        raise
    try:
        await acknowledge()
    finally:
        await _ended(working)
    return working.result()


async def _ended(working: asyncio.Future[T]) -> None:
    """Return once the work has ended, however it does; a cancellation meanwhile is raised after it."""
    try:
        await asyncio.wait({working})
    except asyncio.CancelledError:
        await asyncio.wait({working})
        raise
