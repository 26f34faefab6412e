"""Trying again while the database is busy, for what a platform was promised already.

It is only for work that changes nothing the second time: each try is a transaction of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.errors import StorageBusy

PATIENCE_SECONDS = 60.0  # far below the time for which a platform lets an acknowledged message be edited
PAUSE_SECONDS = 0.1

T = TypeVar("T")


async def patiently(work: Callable[[], Awaitable[T]], *, patience_seconds: float = PATIENCE_SECONDS) -> T:
    """Do `work`, again and again while the database is busy and `patience_seconds` are not over.

    Raises:
        StorageBusy: it was busy all the time.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + patience_seconds
    while True:
        try:
            return await work()
        except StorageBusy:
            if loop.time() >= end:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
