"""The worker as a process: its signals, the lifeline to the process that started it, and its exit status.

It does not know which model is loaded: `load` says.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress

from core.cycles import Room
from core.errors import MjpromptError, PermanentError
from core.settings import Settings
from falcon.generator import Generator
from storage.database import open_database
from storage.queue import SqlQueue
from worker.adapter_follower import follower_of
from worker.engine_thread import EngineThread
from worker.exit_status import DRAINED, FAILED, GAVE_UP, SWAPPED
from worker.loop import DRAIN_SECONDS, Worker
from worker.room import GivenRoom

LAST_SECONDS = 5.0
Load = Callable[[Settings], Generator]


def run_worker_process(settings: Settings, load: Load, *, is_supervised: bool) -> int:
    """Serve until drained and return the exit status.

    Under supervision the end of standard input means that the supervisor is gone, and the sentence that goes
    with `GAVE_UP` is written to standard output, for the supervisor to show; otherwise to standard error.
    """
    room = GivenRoom(givable=_givable)
    engine = EngineThread(lambda: load(room.settings(settings)))
    try:
        status = asyncio.run(_serve(settings, load, engine, room, is_supervised=is_supervised))
    except PermanentError as error:
        status = GAVE_UP
        (sys.stdout if is_supervised else sys.stderr).write(f"{error}\n")
    except MjpromptError as error:
        status = FAILED
        sys.stderr.write(f"{error}\n")
    if engine.is_alive:
        exit_at_once(status)
    return status


async def _serve(settings: Settings, load: Load, engine: EngineThread, room: GivenRoom, *, is_supervised: bool) -> int:
    """Serve until drained; return the exit status."""
    database = open_database(settings.database_url)
    try:
        queue = SqlQueue(database, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts)
        follower = follower_of(
            database,
            engine,
            settings,
            load_with=lambda folder: load(room.settings(settings).model_copy(update={"adapter": folder})),
        )
        worker = Worker(database, queue, engine, settings, follower, room=room)
        _obey_signals(worker)
        if is_supervised:
            _drain_without_supervisor(worker)
        await worker.run()
        return SWAPPED if worker.needs_fresh_process else DRAINED
    finally:
        await database.close()


def _obey_signals(worker: Worker) -> None:
    """Drain at the first SIGTERM or SIGINT; give everything back at the second."""
    num_signals = 0

    def obey() -> None:
        nonlocal num_signals
        num_signals += 1
        worker.drain() if num_signals == 1 else worker.stop_now()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows: the process simply ends, its leases run out
            loop.add_signal_handler(number, obey)


def _drain_without_supervisor(worker: Worker) -> None:
    """Drain once standard input ends; a pipe does that on every system, however the supervisor died."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(0, 1024):  # not sys.stdin: its lock would be held when the interpreter ends
            pass
        with suppress(RuntimeError):  # the loop is closed: ending already
            loop.call_soon_threadsafe(worker.drain)
        last_resort = threading.Timer(DRAIN_SECONDS + LAST_SECONDS, exit_at_once, (FAILED,))
        last_resort.daemon = True
        last_resort.start()

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _givable() -> Collection[Room]:
    """Return what a training may get of this process."""
    from falcon.memory import has_four_bit, has_gpu  # noqa: PLC0415 - brings torch, which a worker's start does without

    if not has_gpu():
        return ()
    return (Room.NF4, Room.PAUSE) if has_four_bit() else (Room.PAUSE,)


def exit_at_once(status: int) -> None:
    """End although the model's thread is still busy; its requests were given back or their leases run out."""
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
