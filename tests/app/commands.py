"""The command line as a real process over a fake model."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.settings import PROJECT_ROOT

PATIENCE_SECONDS = 90.0  # below the limit of one test
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


@dataclass(slots=True, kw_only=True)
class Running:
    """A `mjprompt run` that has printed `lines` so far."""

    process: asyncio.subprocess.Process
    lines: list[str]

    @property
    def address(self) -> str:
        match = ADDRESS.search("".join(self.lines))
        assert match is not None, self.lines
        return match[0]

    def worker(self) -> psutil.Process | None:
        """Return the worker process, None while there is none."""
        workers = psutil.Process(self.process.pid).children()
        return workers[0] if workers else None

    async def prints(self, start: str) -> None:
        """Wait for a line that starts with `start`."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line)
                if line.startswith(start):
                    return
        raise AssertionError(f"it ended before it printed {start!r}: {self.lines}")

    async def ends(self) -> Ended:
        stdout, stderr = await asyncio.wait_for(self.process.communicate(), PATIENCE_SECONDS)
        assert self.process.returncode is not None
        return Ended(status=self.process.returncode, stdout=stdout.decode(), stderr=stderr.decode())


class Mjprompt:
    """Runs commands in a folder of their own, with a database there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database_file = folder / "mjprompt.db"

    @property
    def database_url(self) -> str:
        return f"sqlite+aiosqlite:///{self.database_file}"

    async def __call__(self, *arguments: str | bytes, module: str = "tests.app.fake_cli", **environment: str) -> Ended:
        """Run one command to its end."""
        process = await self._start(arguments, module, environment)
        return await Running(process=process, lines=[]).ends()

    @asynccontextmanager
    async def running(
        self, *arguments: str, module: str = "tests.app.fake_cli", **environment: str
    ) -> AsyncIterator[Running]:
        """Run one command until left; it is killed, with its worker, if it has not ended by then."""
        process = await self._start(arguments, module, environment)
        family = psutil.Process(process.pid)
        try:
            yield Running(process=process, lines=[])
        finally:
            if process.returncode is None:
                for member in (*family.children(recursive=True), family):
                    member.send_signal(signal.SIGKILL)
            await process.communicate()  # also of one that a test has killed: its pipes would stay open

    async def _start(
        self, arguments: Sequence[str | bytes], module: str, environment: dict[str, str]
    ) -> asyncio.subprocess.Process:
        defaults = {
            "PYTHONPATH": str(PROJECT_ROOT),
            "DATABASE_URL": self.database_url,
            "WEB_PORT": "0",
            "LEASE_SECONDS": "1",
            "LOG_LEVEL": "ERROR",
        }
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env={**os.environ, **defaults, **environment},
        )
