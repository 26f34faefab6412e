"""`mjprompt run` and `bot`: the chats in this process, and for `run` a supervised worker beside it.

It never imports torch: the model lives and dies in the worker process.
"""

import asyncio
import gc
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from rich.console import Console
from rich.text import Text

from app.answer_view import Answer, print_answer
from app.chats import running_chats
from app.cycle_keeper import CycleKeeper
from app.cycle_planner import TrainerPlanner
from app.cycle_process import CycleProcess
from app.storage_at_start import make_database_current, open_writable
from app.supervisor import WorkerSupervisor
from app.waiting import answered, ready_worker
from bot.services import Services, open_services
from bot.watcher import RequestWatcher
from bot.web.application import create_app, start_site
from core.errors import MjpromptError
from core.logs import get_logger
from core.records import Identity, Platform
from core.settings import Settings
from storage import clock
from storage.database import Database
from storage.queue import SqlQueue
from trainer.cycle.planning import read_rules
from worker.side_tasks import SideTask, side_tasks

WARM_UP_IDEA = "a boy running in the snow"
WARM_UP = Identity(platform=Platform.TERMINAL, external_id="warm-up")
TIDY_SECONDS = 2.0
LABEL_WIDTH = 10
log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """The chat side of this process; `address` is where a browser finds it."""

    services: Services
    database: Database
    watcher: RequestWatcher
    queue: SqlQueue
    address: str


def serve(
    settings: Settings,
    console: Console,
    *,
    worker_command: Sequence[str] | None,
    cycle_command: Sequence[str] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; without a `worker_command` only the chat, for workers started elsewhere.

    With a `cycle_command`, cycles of learning are carried out by children that it starts.

    Raises:
        ConfigError: configs/cycle.toml cannot be used.
        PermanentError: the database, the port or the worker cannot be used; one plain sentence.
        StorageBusy: another program holds the database.
    """
    make_database_current(settings)
    gc.freeze()  # what is imported stays: looking it all through again and again would hold everybody up
    asyncio.run(_serve(settings, console, worker_command, cycle_command))


async def _serve(
    settings: Settings, console: Console, worker_command: Sequence[str] | None, cycle_command: Sequence[str] | None
) -> None:
    started_at = clock.utc_now()
    supervisor = WorkerSupervisor(worker_command) if worker_command is not None else None
    stopping = asyncio.Event()
    _obey_signals(stopping, supervisor)
    async with (
        _open_chat(settings, has_keeper=cycle_command is not None) as chat,
        side_tasks(*_tidying(chat.queue)),
        _kept_cycles(chat.database, settings, cycle_command),
        running_chats(chat.services, chat.database, partial(_say, console)),
    ):
        _say(console, "Web chat", chat.address)
        stopped = asyncio.create_task(stopping.wait(), name="await stop")
        supervising = asyncio.create_task(_supervise(supervisor, stopping), name="supervise worker")
        worker_since = None if supervisor is None else started_at
        greeting = asyncio.create_task(greet(settings, console, chat, worker_since), name="greet")
        try:
            await asyncio.wait({stopped, supervising}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                _say(console, "Stopping", "finishing what is being written; Ctrl-C again gives it back")
        finally:
            stopped.cancel()
            greeting.cancel()
            if supervisor is not None:
                supervisor.stop()
        await supervising  # new requests still come in while the worker drains, and stay queued


async def _supervise(supervisor: WorkerSupervisor | None, stopping: asyncio.Event) -> None:
    if supervisor is None:
        await stopping.wait()
    else:
        await supervisor.run()


@asynccontextmanager
async def _open_chat(settings: Settings, *, has_keeper: bool) -> AsyncIterator[Chat]:
    database, queue = await open_writable(settings)
    try:
        planner = TrainerPlanner(settings, has_keeper=has_keeper)
        services = open_services(database, queue, settings, planner=planner)
        watcher = RequestWatcher(database)
        runner, port = await start_site(create_app(services, watcher), settings)
        try:
            address = _address(settings, port)
            yield Chat(services=services, database=database, watcher=watcher, queue=queue, address=address)
        finally:
            await runner.cleanup()
    finally:
        await database.close()


@asynccontextmanager
async def _kept_cycles(database: Database, settings: Settings, command: Sequence[str] | None) -> AsyncIterator[None]:
    """Look after cycles of learning while the block runs; a training is asked to save at its end."""
    if command is None:
        yield
        return
    keeper = CycleKeeper(database, read_rules(settings), CycleProcess(command))
    keeping = asyncio.create_task(keeper.run(), name="keep cycles")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})


def _tidying(queue: SqlQueue) -> tuple[SideTask, SideTask]:
    """What workers do as well, for while there is none: nobody waits for an answer for ever."""
    return (
        SideTask(name="return stalled", interval_seconds=TIDY_SECONDS, action=queue.return_stalled),
        SideTask(name="expire overdue", interval_seconds=TIDY_SECONDS, action=queue.expire_overdue),
    )


async def greet(settings: Settings, console: Console, chat: Chat, worker_since: datetime | None) -> None:
    """Show one answer, which also warms the model up, and say that all is ready, or why it is not.

    `worker_since` is when this run's worker was started at the earliest, None when it starts none.
    """
    if worker_since is not None:
        _say(console, "Model", "loading …")
        try:
            print_answer(console, await _warm_up(settings, chat, worker_since))
        except Exception as error:
            _say_not_ready(console, error)
            return
    _say(console, "Ready", f"open {chat.address} and type /mjprompt {WARM_UP_IDEA}; Ctrl-C stops")


def _say_not_ready(console: Console, error: Exception) -> None:
    if isinstance(error, MjpromptError):
        log.warning("warm_up.failed", error=str(error))
        _say(console, "Not ready", str(error))
    else:
        log.error("warm_up.crashed", exc_info=error)
        _say(console, "Not ready", "the first answer failed; the log has the details")


async def _warm_up(settings: Settings, chat: Chat, worker_since: datetime) -> Answer:
    started = time.perf_counter()
    service = chat.services.chat
    await ready_worker(service, expected_since=worker_since)
    load_seconds = time.perf_counter() - started
    asked = await service.ask(WARM_UP, WARM_UP_IDEA)
    view = await answered(service, chat.watcher, chat.queue, settings, identity=WARM_UP, request_id=asked.id)
    return Answer(view=view, load_seconds=load_seconds, total_seconds=time.perf_counter() - started)


def _obey_signals(stopping: asyncio.Event, supervisor: WorkerSupervisor | None) -> None:
    def obey() -> None:
        if stopping.is_set() and supervisor is not None:
            supervisor.stop()
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends the process, its pipe the worker
            loop.add_signal_handler(number, obey)


def _address(settings: Settings, port: int) -> str:
    host = f"[{settings.web_host}]" if ":" in settings.web_host else settings.web_host
    return f"http://{host}:{port}"


def _say(console: Console, label: str, text: str) -> None:
    console.print(Text.assemble((label.ljust(LABEL_WIDTH), "bold green"), text), soft_wrap=True)
