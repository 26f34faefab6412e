"""`mjprompt ask`: one idea from the terminal, answered by a running worker or, without one, right here."""

import asyncio
import getpass
import signal
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import TypeVar

from app.answer_view import Answer
from app.storage_at_start import make_database_current, open_writable
from app.waiting import PATIENCE_SECONDS, answered, ready_worker, workers_gone
from bot.service import ChatService
from bot.watcher import RequestWatcher
from core.errors import ConfigError, MjpromptError
from core.idea import read_idea
from core.logs import get_logger
from core.records import Identity, Platform, RequestView, WorkerStatus
from core.settings import Precision, Settings
from storage.identifiers import new_id
from storage.queue import SqlQueue
from worker.adapter_follower import AdapterFollower, follower_of
from worker.answering import Answerer, answer_only
from worker.engine_thread import EngineThread
from worker.fresh_process import LoadWith
from worker.loop import ENGINE_STOP_SECONDS

# SIGINT is asyncio's own; Windows has no SIGHUP.
STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
Result = TypeVar("Result")
log = get_logger(__name__)


def ask(
    settings: Settings,
    text: str,
    *,
    num_candidates: int,
    precision: Precision | None,
    engine: EngineThread,
    load_with: LoadWith,
) -> Answer:
    """Ask and wait for the answer; `engine` is started only when no worker is running.

    It then answers by the adapter that serves, as a worker would; `load_with` loads the model with an adapter's folder,
    where that can only be done at once, or with None alone.

    Raises:
        UserError: the idea cannot be taken; nothing was stored and no model was loaded.
        MjpromptError: there is no answer; the message says why.
        SystemExit: SIGTERM or SIGHUP came; like Ctrl-C, it takes the request back first.
    """
    started = time.perf_counter()
    read_idea(text, version=settings.midjourney_version)
    make_database_current(settings)
    view, load_seconds = asyncio.run(
        _until_signalled(_ask(settings, text, num_candidates, precision, engine=engine, load_with=load_with))
    )
    return Answer(view=view, load_seconds=load_seconds, total_seconds=time.perf_counter() - started)


async def _ask(
    settings: Settings,
    text: str,
    num_candidates: int,
    precision: Precision | None,
    *,
    engine: EngineThread,
    load_with: LoadWith,
) -> tuple[RequestView, float]:
    database, queue = await open_writable(settings)
    watcher = RequestWatcher(database)
    service = ChatService(database, queue, settings)
    local = _LocalModel(settings, queue, engine, follower_of(database, engine, settings, load_with=load_with))
    identity = Identity(platform=Platform.TERMINAL, external_id=_user_name())
    try:
        await _tidy(queue)
        worker = await ready_worker(service)
        if worker is None:
            await local.load()
        else:
            _require_precision(worker, precision)
        asked = await service.ask(identity, text, num_candidates=num_candidates)
        try:
            waiting = answered(service, watcher, queue, settings, identity=identity, request_id=asked.id)
            return await _with_help(waiting, local.answer(asked.id, service)), local.load_seconds
        except BaseException:
            await _take_back(service, identity, asked.id)
            raise
    finally:
        await watcher.close()
        await engine.stop(timeout_seconds=ENGINE_STOP_SECONDS)
        await database.close()


async def _tidy(queue: SqlQueue) -> None:
    """Settle what dead workers left behind, which would count as this person's open requests."""
    await queue.return_stalled()
    await queue.expire_overdue()


async def _take_back(service: ChatService, identity: Identity, request_id: str) -> None:
    """Cancel a request that nobody waits for any more; one that has ended stays as it is."""
    try:
        await service.cancel(identity, request_id)
    except MjpromptError as error:  # it expires instead
        log.warning("request.not_cancelled", request_id=request_id, error=str(error))


async def _until_signalled(work: Coroutine[object, object, Result]) -> Result:
    """Do `work`, cancelled at SIGTERM or SIGHUP. Raises: SystemExit in place of that cancellation."""
    loop, task = asyncio.get_running_loop(), asyncio.create_task(work, name="ask")
    received: list[int] = []

    def obey(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in STOP_SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:  # as nohup asks for
            continue
        with suppress(NotImplementedError):  # Windows: the process simply ends, its request expires
            loop.add_signal_handler(number, obey, number)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise SystemExit(128 + received[0]) from None
        raise


async def _with_help(
    waiting: Coroutine[object, object, RequestView], helping: Coroutine[object, object, None]
) -> RequestView:
    """Return what `waiting` returns while `helping` runs beside it. Raises: whatever either raises."""
    answer = asyncio.create_task(waiting, name="await answer")
    help_ = asyncio.create_task(helping, name="answer here")
    try:
        await asyncio.wait({answer, help_}, return_when=asyncio.FIRST_COMPLETED)
        if help_.done():
            help_.result()
        return await answer
    finally:
        answer.cancel()
        help_.cancel()
        await asyncio.gather(answer, help_, return_exceptions=True)


class _LocalModel:
    """This process's own model, for when no worker is there or the last one is gone."""

    def __init__(
        self, settings: Settings, queue: SqlQueue, engine: EngineThread, follower: AdapterFollower | None
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._engine = engine
        self._follower = follower
        self._answerer: Answerer | None = None
        self._worker_id = new_id()
        self.load_seconds = 0.0

    async def load(self) -> Answerer:
        """Load the model with what has to serve, once. Raises: whatever loading raises."""
        if self._answerer is None:
            started = time.perf_counter()
            model = await self._engine.start()
            if self._follower is not None:
                model = await self._follower.begin(model)
            self.load_seconds = time.perf_counter() - started
            self._answerer = Answerer(
                self._queue,
                self._engine,
                model=model,
                max_batch_requests=1,
                lease_seconds=self._settings.lease_seconds,
                adapters=self._follower.served if self._follower else None,
            )
        return self._answerer

    async def answer(self, request_id: str, service: ChatService) -> None:
        """Answer one request here; a request that workers were asked for only once all of them are gone."""
        if self._answerer is None:
            await workers_gone(service)
        answerer = await self.load()
        while not await answer_only(self._queue, answerer, worker_id=self._worker_id, request_id=request_id):
            await self._queue.return_stalled()  # a worker that died may still hold it
            await asyncio.sleep(PATIENCE_SECONDS)


def _require_precision(worker: WorkerStatus, precision: Precision | None) -> None:
    if precision in (None, "auto") or worker.model is None or worker.model.precision == precision:
        return
    raise ConfigError(
        f"A worker in {worker.model.precision} is running already and would answer; stop it, or leave out "
        f"--precision {precision}."
    )


def _user_name() -> str:
    try:
        return getpass.getuser().encode("utf-8", errors="replace").decode("utf-8")
    except (KeyError, OSError):  # an account without a name
        return "local"
