"""Waiting for something to become true, with a limit and a sentence about what did not come."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 30.0


async def until(found: Callable[[], T | None], what: str, *, within_seconds: float = PATIENCE_SECONDS) -> T:
    """Return what `found` returns once that is truthy.

    Raises:
        AssertionError: it was not within the time.
    """
    deadline = time.monotonic() + within_seconds
    while not (result := found()):
        assert time.monotonic() < deadline, f"No {what} within {within_seconds} s."
        await asyncio.sleep(POLL_SECONDS)
    return result
