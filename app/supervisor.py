"""Keeping one worker process alive: start it, restart it with back-off, stop it, never outlive it.

The child's standard input is a pipe that nothing is written to: it ends when this process does, however that
happens, and then the child drains. It knows exit statuses, not models.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from core.backoff import backoff_seconds
from core.errors import PermanentError
from core.logs import get_logger
from core.settings import PROJECT_ROOT
from worker.exit_status import GAVE_UP, SWAPPED

HEALTHY_SECONDS = 60.0  # a worker that lived this long starts the back-off anew
STOP_SECONDS = 40.0  # the worker's own drain limit is shorter
SENTENCE_BYTES = 4096
# Another than the first, SIGTERM: of two alike in a row, a process may see only one. Windows knows no other.
AGAIN = signal.SIGTERM if sys.platform == "win32" else signal.SIGINT
log = get_logger(__name__)


def worker_command(module: str) -> tuple[str, ...]:
    """Return the command that starts a supervised worker through the command line in `module`."""
    # -P: a folder called `app` where the person happens to be must not hide ours.
    return sys.executable, "-P", "-m", module, "worker", "--supervised"


class WorkerSupervisor:
    """Supervises one worker process at a time."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        delay_seconds: Callable[[int], float] = backoff_seconds,
        healthy_seconds: float = HEALTHY_SECONDS,
    ) -> None:
        self._command = command
        self._delay_seconds = delay_seconds
        self._healthy_seconds = healthy_seconds
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return self._process.pid if self._process is not None else None

    async def run(self) -> None:
        """Keep a worker running until `stop`.

        Raises:
            PermanentError: the worker gave up for a reason that a restart does not change; its own sentence.
        """
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            status, sentence = await self._run_worker()
            if self._stopping.is_set():
                return
            if status == GAVE_UP:
                raise PermanentError(sentence or "The worker cannot run; its log above says why.")
            if status == SWAPPED:  # another adapter or form of the model has to serve, and takes a fresh process
                failures = 0
                continue
            failures = 1 if time.monotonic() - started >= self._healthy_seconds else failures + 1
            delay = self._delay_seconds(failures)
            log.warning("worker.died", status=status, restart_in_seconds=delay)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    def stop(self) -> None:
        """Let the worker drain; called again, it gives its requests back at once."""
        if self._stopping.is_set():
            self._send(AGAIN)
            return
        self._stopping.set()
        asyncio.get_running_loop().call_later(STOP_SECONDS, self._kill)
        self._send(signal.SIGTERM)

    async def _run_worker(self) -> tuple[int, str]:
        """Run one worker to its end; return its exit status and the last line of its standard output."""
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=child_environment(),
            process_group=0,  # Ctrl-C reaches only this process, which then drains both
        )
        log.info("worker.started", pid=process.pid)
        if self._stopping.is_set():  # asked to stop while the process was being made
            self._send(signal.SIGTERM)
        try:
            sentence = await _last_line(process)
            return await process.wait(), sentence
        finally:
            self._kill()
            self._process = None
            await process.wait()  # cancelled or not, nothing of the child is left open

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()


async def _last_line(process: asyncio.subprocess.Process) -> str:
    if process.stdout is None:
        raise AssertionError("the worker's standard output is a pipe")
    tail = b""
    while chunk := await process.stdout.read(SENTENCE_BYTES):
        tail = (tail + chunk)[-SENTENCE_BYTES:]
    lines = tail.decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def child_environment() -> dict[str, str]:
    """Return the environment in which a child finds this program's own modules."""
    folders = [str(PROJECT_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
