"""The real bot process (`mjprompt bot` or `run`) over a SQLite file of its own, watched from outside.

It knows no platform: where the bot connects to is in the environment that it is given.
"""

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from core.settings import PROJECT_ROOT

START_SECONDS = 120.0
STOP_SECONDS = 60.0
MIB = 2**20
OURS = ("DISCORD_", "SLACK_", "WEB_", "TOKEN_ENCRYPTION_KEYS", "OPERATOR_IDS")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBot:
    """A bot process, its database and its log."""

    process: psutil.Process
    file: Path
    log: Path

    def rss_mib(self) -> float:
        """Return the process's resident memory, without its worker's."""
        return round(self.process.memory_info().rss / MIB, 1)

    def cpu_seconds(self) -> float:
        """Return the processor time that the process has used so far, without its worker's."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds among what is committed."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query, values).fetchall()

    def value(self, query: str, *values: object) -> Any:
        """Return the one value of a query's one row."""
        return self.rows(query, *values)[0][0]

    def faults(self) -> list[str]:
        """Return the lines of the log that tell of a fault."""
        return [
            line[:300] for line in _text_of(self.log).splitlines() if '"error"' in line or line.startswith("Traceback")
        ]


@asynccontextmanager
async def running_bot(
    environment: Mapping[str, str], *, command: str = "bot", until: Iterable[str] = ("Ready",)
) -> AsyncIterator[RunningBot]:
    """Run `mjprompt COMMAND` until left; it has printed a line that starts with each of `until` by then.

    Raises:
        RuntimeError: it ended or took too long before; what it printed is in the message.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing ends this process and leaves the bot
    folder = Path(tempfile.mkdtemp(prefix="mjprompt-benchmark-"))
    log = folder / "bot.log"
    try:
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app.cli", command),
                cwd=PROJECT_ROOT,
                stdin=DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                env=_environment(folder, environment),
            )
        reading = await _started(process, set(until), log)
        try:
            yield RunningBot(process=psutil.Process(process.pid), file=folder / "bot.db", log=log)
        finally:
            await _stopped(process, reading)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    own = {"DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'bot.db'}", "WEB_PORT": "0"}
    logs = {"LOG_LEVEL": "WARNING", "LOG_FORMAT": "json"}
    return {**inherited, **own, **logs, **environment}


async def _started(process: Process, awaited: set[str], log: Path) -> "asyncio.Task[None]":
    """Read what the bot prints until all that is awaited came; return the task that reads on."""
    assert process.stdout is not None
    printed: list[str] = []
    try:
        async with asyncio.timeout(START_SECONDS):
            while awaited:
                line = (await process.stdout.readline()).decode()
                if not line:
                    break
                printed.append(line)
                awaited = {start for start in awaited if not line.startswith(start)}
    except TimeoutError:
        printed.append(f"(nothing more within {START_SECONDS:g} s)\n")
    if awaited:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise RuntimeError(f"the bot did not say {', '.join(sorted(awaited))}:\n{''.join(printed)}{_text_of(log)}")
    return asyncio.create_task(_drain(process.stdout), name="read the bot's output")


def _text_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


async def _stopped(process: Process, reading: "asyncio.Task[None]") -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
            await reading
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
