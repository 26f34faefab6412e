"""Named jobs that run beside the main loop, again and again; a failure is logged and never ends them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.backoff import backoff_seconds
from core.errors import MjpromptError
from core.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideTask:
    """What to do every `interval_seconds`; the first time at once."""

    name: str
    interval_seconds: float
    action: Callable[[], Awaitable[object]]


@asynccontextmanager
async def side_tasks(*tasks: SideTask) -> AsyncIterator[None]:
    """Keep `tasks` going while the block runs."""
    running = [asyncio.create_task(_repeat(task), name=task.name) for task in tasks]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _repeat(task: SideTask) -> None:
    failures = 0
    while True:
        failures = 0 if await _succeeds(task) else failures + 1
        await asyncio.sleep(max(task.interval_seconds, backoff_seconds(failures) if failures else 0.0))


async def _succeeds(task: SideTask) -> bool:
    try:
        await task.action()
    except MjpromptError as error:
        log.warning("side_task.failed", task=task.name, error=str(error))
        return False
    except Exception:
        log.exception("side_task.crashed", task=task.name)
        return False
    return True
