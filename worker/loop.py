"""The worker's main loop: claim when the model is free, answer, and start over, until asked to drain.

With a running generator, claims join and leave one by one instead: see worker/continuous.py. The worker announces
itself and how it serves, keeps the queue tidy and its adapters as the registry names them beside its work, and outlives
a busy database. It does not know signals, processes or how a batch is decoded.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial

from core.backoff import backoff_seconds
from core.errors import MjpromptError, ModelCrashed, NotEnoughMemory, StorageBusy, StorageError
from core.logs import get_logger
from core.records import ModelInfo, WorkerState
from core.settings import Settings
from storage import workers
from storage.database import Database
from storage.identifiers import new_id
from storage.queue import JobQueue
from worker.adapter_follower import AdapterFollower
from worker.answering import Answerer
from worker.batching import choose_batch
from worker.continuous import ContinuousServing
from worker.engine_thread import EngineThread
from worker.room import LOOK_SECONDS, GivenRoom
from worker.side_tasks import SideTask, side_tasks

POLL_SECONDS = 0.1
ANNOUNCE_SECONDS = 5.0
TIDY_SECONDS = 2.0
FOLLOW_SECONDS = 1.0
DRAIN_SECONDS = 30.0
ENGINE_STOP_SECONDS = 2.0
PLAIN_BATCH_REQUESTS = 4  # for a generator that does not say how many it can hold
log = get_logger(__name__)


class Worker:
    """One worker of the queue, with one model."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        engine: EngineThread,
        settings: Settings,
        follower: AdapterFollower | None = None,
        *,
        room: GivenRoom | None = None,
    ) -> None:
        """Serve with what `engine` loads; without a `follower`, by that alone; without a `room`, give none."""
        self.id = new_id()
        self._database = database
        self._queue = queue
        self._engine = engine
        self._settings = settings
        self._follower = follower
        self._room = room
        self._is_paused = False
        self.needs_fresh_process = False  # it drained so that another one can load the model otherwise
        self._state = WorkerState.LOADING
        self._model: ModelInfo | None = None
        self._draining = asyncio.Event()
        self._is_abandoned = False
        self._batch: asyncio.Task[None] | None = None
        self._continuous: ContinuousServing | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Load the model and serve until drained.

        Raises:
            StorageBusy, StorageError: the database cannot be written at the start; later on it is waited for.
            PermanentError: the model cannot be loaded; somebody has to act.
            ModelCrashed, HubUnreachable: a fresh process may do better.
        """
        await self._announce()
        try:
            async with side_tasks(SideTask(name="announce", interval_seconds=ANNOUNCE_SECONDS, action=self._announce)):
                await self._await_room()
                answerer = await self._load()
                if answerer is not None:
                    await self._serve_tidily(answerer)
        finally:
            await self._leave()

    def drain(self) -> None:
        """Claim nothing more and finish what is held, for at most `DRAIN_SECONDS`."""
        if self._draining.is_set():
            return
        self._draining.set()
        log.info("worker.draining", worker_id=self.id)
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self.stop_now)
        self._in_background(self._become(WorkerState.DRAINING))

    def stop_now(self) -> None:
        """Give back what is held instead of finishing it."""
        self.drain()
        self._is_abandoned = True
        if self._batch is not None:
            self._batch.cancel()
        if self._continuous is not None:
            self._continuous.stop_now()

    async def _await_room(self) -> None:
        """Wait while a training needs the whole GPU; people are told, and their requests wait."""
        while self._room is not None and not self._draining.is_set() and await self._room.begin(self._database):
            if not self._is_paused:
                log.info("worker.paused", reason="a training needs the GPU's memory; it goes on by itself after that")
            self._is_paused = True
            await self._become(WorkerState.LOADING)
            await self._pause(LOOK_SECONDS)
        self._is_paused = False

    async def _give_room(self, room: GivenRoom) -> None:
        """Make way for a fresh process where a training asks for another form of the model, or does so no longer."""
        await room.look(self._database)
        if room.needs_fresh_process and not self._draining.is_set():
            log.info("worker.gives_room", worker_id=self.id, wanted=room.wanted or "none")
            self.needs_fresh_process = True
            self.drain()

    async def _load(self) -> Answerer | None:
        """Load the model; None when asked to drain meanwhile."""
        loading = asyncio.create_task(self._load_model(), name="load model")
        draining = asyncio.create_task(self._draining.wait(), name="await drain")
        await asyncio.wait({loading, draining}, return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        if not loading.done():
            loading.cancel()
            return None
        self._model = loading.result()
        if not self._draining.is_set():
            await self._become(WorkerState.READY)
        log.info("worker.ready", worker_id=self.id, model=self._model.base, device=self._model.device)
        return Answerer(
            self._queue,
            self._engine,
            model=self._model,
            max_batch_requests=_batch_limit(self._settings.max_batch_requests, self._engine.capacity),
            lease_seconds=self._settings.lease_seconds,
            adapters=self._follower.served if self._follower else None,
        )

    async def _load_model(self) -> ModelInfo:
        """Load the model and, where it can be, the adapter that has to serve."""
        try:
            model = await self._engine.start()
            model = await self._follower.begin(model) if self._follower else model
        except NotEnoughMemory as error:
            if self._room is None or not await self._room.is_shared(self._database):
                raise
            raise ModelCrashed(f"{error} A training has the memory now, so this is tried again.") from error
        if self._room is not None:
            self._room.loaded(model)
        return model

    async def _follow(self, follower: AdapterFollower) -> None:
        """Follow the registry, and announce what serves by default from now on."""
        before = follower.served.lineup.active
        await follower.follow()
        if follower.served.lineup.active != before:
            await self._announce()
        if follower.needs_fresh_process and not self._draining.is_set():
            log.info("worker.needs_fresh_process", worker_id=self.id)
            self.needs_fresh_process = True
            self.drain()

    async def _serve_tidily(self, answerer: Answerer) -> None:
        tasks = [
            SideTask(name="return stalled", interval_seconds=TIDY_SECONDS, action=self._queue.return_stalled),
            SideTask(name="expire overdue", interval_seconds=TIDY_SECONDS, action=self._queue.expire_overdue),
        ]
        if self._follower is not None:
            follow = partial(self._follow, self._follower)
            tasks.append(SideTask(name="follow the registry", interval_seconds=FOLLOW_SECONDS, action=follow))
        if self._room is not None:
            give = partial(self._give_room, self._room)
            tasks.append(SideTask(name="give room", interval_seconds=LOOK_SECONDS, action=give))
        async with side_tasks(*tasks):
            if self._engine.capacity is None:
                await self._serve(answerer)
            else:
                await self._serve_continuously(answerer)

    async def _serve_continuously(self, answerer: Answerer) -> None:
        self._continuous = ContinuousServing(self._queue, answerer, worker_id=self.id, poll_seconds=POLL_SECONDS)
        await self._continuous.serve(self._draining)

    async def _serve(self, answerer: Answerer) -> None:
        failures = 0
        while not self._draining.is_set():
            try:
                is_busy = await self._serve_batch(answerer)
            except (StorageBusy, StorageError) as error:
                failures += 1
                log.warning("storage.waiting", error=str(error), failures=failures)
                await self._pause(backoff_seconds(failures))
                continue
            failures = 0
            if not is_busy:
                await self._pause(POLL_SECONDS)

    async def _serve_batch(self, answerer: Answerer) -> bool:
        """Claim and answer one batch; False when nothing was waiting."""
        claims = await self._queue.claim(self.id, answerer.max_requests)
        held, returned = choose_batch(claims) if not self._is_abandoned else ([], claims)
        if not claims:
            return False
        self._batch = asyncio.create_task(answerer.answer(held, returned=returned), name="answer batch")
        try:
            await self._batch
        except asyncio.CancelledError:
            if not self._is_abandoned:
                raise
        finally:
            self._batch = None
        return bool(held)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._draining.wait(), seconds)

    async def _become(self, state: WorkerState) -> None:
        self._state = state
        try:
            await self._announce()
        except MjpromptError as error:  # the next announcement says it
            log.warning("worker.not_announced", error=str(error))

    async def _announce(self) -> None:
        counted = self._engine.metrics
        metrics: dict[str, object] | None = dict(counted.snapshot()) if counted else None
        if self._room is not None:
            metrics = {**(metrics or {}), "host": self._room.host, **({"is_paused": True} if self._is_paused else {})}
        async with self._database.write() as session:
            await workers.announce(session, self.id, self._state, self._serving(), metrics=metrics)

    def _serving(self) -> ModelInfo | None:
        """Return the model with the adapter that answers by default now."""
        active = self._follower.served.lineup.active if self._follower else None
        return self._model if self._model is None or active is None else replace(self._model, adapter=active)

    async def _leave(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        try:
            async with self._database.write() as session:
                await workers.retire(session, self.id)
        except MjpromptError as error:  # its heartbeat grows old instead
            log.warning("worker.not_retired", error=str(error))
        await self._engine.stop(timeout_seconds=ENGINE_STOP_SECONDS if self._model else 0.0)

    def _in_background(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _batch_limit(configured: int | None, capacity: int | None) -> int:
    """Return how many requests may decode together: as configured, but never more than the generator holds."""
    if capacity is None:
        return configured or PLAIN_BATCH_REQUESTS
    return min(configured or capacity, capacity)
