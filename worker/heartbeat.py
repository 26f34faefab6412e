"""Keeping the leases of held requests, and learning through it which of them are wanted no longer.

It knows nothing of models: a request that is no longer ours or was cancelled gets its stop flag, no more.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from core.errors import MjpromptError
from core.logs import get_logger
from storage.queue import JobQueue
from worker.held_request import HeldRequest

BEATS_PER_LEASE = 3
log = get_logger(__name__)


@asynccontextmanager
async def leases_kept(queue: JobQueue, held: Sequence[HeldRequest], *, lease_seconds: float) -> AsyncIterator[None]:
    """Extend the leases of `held` every third of a lease while the block runs."""
    beating = asyncio.create_task(_beat(queue, held, lease_seconds / BEATS_PER_LEASE), name="lease heartbeat")
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def _beat(queue: JobQueue, held: Sequence[HeldRequest], interval_seconds: float) -> None:
    while True:
        await asyncio.sleep(interval_seconds)
        try:
            await beat_once(queue, held)
        except MjpromptError as error:  # the lease lasts for two more beats
            log.warning("heartbeat.missed", error=str(error))


async def beat_once(queue: JobQueue, held: Sequence[HeldRequest]) -> None:
    """Extend the leases once; stop each request that was cancelled, expired or given to another worker.

    Raises:
        StorageBusy, StorageError: the leases could not be extended.
    """
    unsettled = [request for request in held if not request.is_settled]
    if not unsettled:
        return
    kept = await queue.heartbeat([request.claim for request in unsettled])
    for request in unsettled:
        if request.claim.id not in kept and not request.is_settled:
            request.stop()
            log.info("request.stopped", request_id=request.claim.id)
