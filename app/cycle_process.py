"""The one child process that carries a cycle out: start it, notice its end, ask it to save and end.

It knows exit statuses, not cycles.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from app.supervisor import child_environment
from core.logs import get_logger
from core.machine import num_usable_cores

STOP_SECONDS = 40.0  # a training finishes its step and saves within
log = get_logger(__name__)


def cycle_command(module: str) -> tuple[str, ...]:
    """Return the command that carries a cycle out through the command line in `module`, but for the cycle's id."""
    return sys.executable, "-P", "-m", module, "retrain", "--cycle"


class CycleProcess:
    """At most one child at a time; `num_ended` counts those that have ended by themselves."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._process: asyncio.subprocess.Process | None = None
        self.num_ended = 0

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._process.pid if self.is_running and self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Tell whether the child is there; one that has ended is counted."""
        if self._process is None:
            return False
        if self._process.returncode is None:
            return True
        log.info("cycle.process_ended", pid=self._process.pid, status=self._process.returncode)
        self._process, self.num_ended = None, self.num_ended + 1
        return False

    async def start(self, cycle_id: str) -> None:
        """Start a child for a cycle, while none is there."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cycle_id,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            env=_modest(child_environment()),
            process_group=0,  # Ctrl-C reaches the parent alone, which then asks this one to end
        )
        log.info("cycle.process_started", cycle=cycle_id, pid=self._process.pid)

    async def stop(self) -> None:
        """Let the child save and end; kill it where it takes too long."""
        if not self.is_running or self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


def _modest(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment in which a training leaves the worker on the same machine half of the cores."""
    return {"OMP_NUM_THREADS": str(max(1, num_usable_cores() // 2)), **environment}
