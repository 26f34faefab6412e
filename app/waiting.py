"""Waiting from the outside: for a worker that can answer, and for one request to end."""

import asyncio
from datetime import datetime, timedelta

from bot.service import ChatService
from bot.watcher import RequestWatcher, progress_mark
from core.errors import TransientError
from core.records import Identity, RequestState, RequestView, WorkerState, WorkerStatus
from core.settings import Settings
from storage import clock
from storage.queue import JobQueue

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 1.0


async def ready_worker(service: ChatService, *, expected_since: datetime | None = None) -> WorkerStatus | None:
    """Wait while workers are loading and return one that is ready.

    None means that none is there or to come. With `expected_since` somebody starts one, so that is waited for,
    and a worker that is on the list since before that moment does not count: it may be dead.

    Raises:
        TransientError: all of them have left the GPU to a training.
    """
    while True:
        workers = (await service.status()).workers
        if expected_since is not None:
            workers = tuple(worker for worker in workers if worker.started_at >= expected_since)
        ready = [worker for worker in workers if worker.state is WorkerState.READY]
        if ready:
            return ready[0]
        if workers and all(worker.is_paused for worker in workers):
            raise TransientError("The model is learning from votes and needs the whole GPU; ask again when it is done.")
        if expected_since is None and not any(worker.state is WorkerState.LOADING for worker in workers):
            return None
        await asyncio.sleep(POLL_SECONDS)


async def workers_gone(service: ChatService) -> None:
    """Wait until no worker is heard of any more."""
    while True:
        if not (await service.status()).workers:
            return
        await asyncio.sleep(PATIENCE_SECONDS)


async def answered(
    service: ChatService,
    watcher: RequestWatcher,
    queue: JobQueue,
    settings: Settings,
    *,
    identity: Identity,
    request_id: str,
) -> RequestView:
    """Wait until the request is answered; past its deadline it expires even when no worker is left to say so.

    Raises:
        TransientError: it ended without an answer; the message is safe to show.
    """
    view = await service.view(identity, request_id)
    while not view.state.is_final:
        if clock.utc_now() > view.created_at + timedelta(seconds=settings.request_timeout_seconds):
            await queue.expire_overdue()
        await watcher.wait_for_change(request_id, seen=progress_mark(view), timeout_seconds=PATIENCE_SECONDS)
        view = await service.view(identity, request_id)
    if view.state is not RequestState.DONE:
        raise TransientError(view.error or f"The request {request_id} was {view.state.value} before it was answered.")
    return view
