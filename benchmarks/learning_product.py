"""A whole `mjprompt run` that may be killed and started again, over a database and settings of its own.

Its worker and its trainer are found by the database that their environment names, so that nobody else's process is
ever meant. It knows no votes.
"""

import asyncio
import os
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from core.cycles import CycleView
from core.settings import PROJECT_ROOT
from storage import cycles
from storage.database import open_database
from trainer.adapters.folder import ADAPTERS_FOLDER

START_SECONDS = 300.0
STOP_SECONDS = 60.0
LOOK_SECONDS, STOP_LOOKS = 0.3, 100
FOREIGN = ("DISCORD_", "SLACK_", "WEB_", "TOKEN_ENCRYPTION_KEYS", "ADAPTER")


class Victim(StrEnum):
    """A process of the product that can be killed."""

    RUN = "run"  # the chats, the keeper of cycles
    WORKER = "worker"
    TRAINER = "trainer"


MARKS: Mapping[Victim, str] = {Victim.WORKER: "--supervised", Victim.TRAINER: "retrain"}


class Product:
    """The processes over the database in `folder`, which also has cycle.toml, gate.toml and the log."""

    def __init__(self, folder: Path, *, operator_id: str) -> None:
        self.folder = folder
        self.file = folder / "learning.db"
        self.log = folder / "run.log"
        self.url = f"sqlite+aiosqlite:///{self.file}"
        self._port = _free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        self._operator_id = operator_id
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start `mjprompt run`, and return when it can answer.

        Raises:
            RuntimeError: it ended or took too long before.
        """
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app.cli", "run"),
                cwd=PROJECT_ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment(),
            )
        async with aiohttp.ClientSession() as http, asyncio.timeout(START_SECONDS):
            while not await self._is_ready(http):
                if self._process.returncode is not None:
                    raise RuntimeError(f"it ended before it was ready; {self.log} says why")
                await asyncio.sleep(LOOK_SECONDS)

    async def stop(self) -> None:
        """Let everything end, and kill what does not."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        for _ in range(STOP_LOOKS):  # what was killed takes a moment to go
            if not sum(map(_kill, self._processes())):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def kill(self, victim: Victim) -> bool:
        """Kill one process as kill -9 does, and start `run` again where it was that; return whether it was there."""
        if victim is not Victim.RUN:
            mark = MARKS[victim]
            return sum(_kill(process) for process in self._processes() if mark in _words_of(process)) > 0
        if self._process is None or self._process.returncode is not None:
            return False
        self._process.kill()
        await self._process.wait()
        await self.start()
        return True

    async def latest_cycle(self) -> CycleView:
        """Return the cycle that is open, else the newest.

        Raises:
            RuntimeError: there is none.
        """
        database = open_database(self.url)
        try:
            async with database.read() as session:
                cycle = await cycles.latest(session)
        finally:
            await database.close()
        if cycle is None:
            raise RuntimeError("no cycle was ever planned")
        return cycle

    def user_ids(self) -> dict[str, str]:
        """Return the database's id of everybody, by the visitor's id that the chat knows them by."""
        return {external: user for user, external in self.rows("SELECT id, external_id FROM users")}

    def sha256_of(self, adapter: str) -> str | None:
        """Return the checksum of an adapter's weights; None where none is kept."""
        found = self.rows("SELECT sha256 FROM adapters WHERE id = ?", adapter)
        return found[0][0] if found else None

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds among what is committed."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query, values).fetchall()

    def delete_adapters(self) -> None:
        """Delete the folders that this database's trainings left among everybody's."""
        for (run_id,) in self.rows("SELECT id FROM training_runs"):
            shutil.rmtree(ADAPTERS_FOLDER / run_id, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return inherited | {
            "DATABASE_URL": self.url,
            "WEB_PORT": str(self._port),
            "OPERATOR_IDS": f"web:{self._operator_id}",
            "CYCLE_CONFIG": str(self.folder / "cycle.toml"),
            "GATE_CONFIG": str(self.folder / "gate.toml"),
            "LOG_LEVEL": "INFO",
            "LOG_FORMAT": "json",
        }

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self.address}/api/status") as reply:
                return reply.ok and (await reply.json())["state"] == "ready"
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _processes(self) -> list[psutil.Process]:
        """Return the processes over this database, but for `run` itself."""
        run = self._process.pid if self._process is not None else None
        return [process for process in psutil.process_iter() if process.pid != run and self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.pid != os.getpid() and process.environ().get("DATABASE_URL") == self.url
        except psutil.Error:  # somebody else's, or gone
            return False


@asynccontextmanager
async def running_product(folder: Path, *, operator_id: str) -> AsyncIterator[Product]:
    """Run the product over `folder` until left; the adapters that it made are deleted then."""
    product = Product(folder, operator_id=operator_id)
    try:
        await product.start()
        yield product
    finally:
        await product.stop()
        if product.file.exists():
            product.delete_adapters()


def _kill(process: psutil.Process) -> bool:
    try:
        process.kill()
    except psutil.Error:
        return False
    return True


def _words_of(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _free_port() -> int:
    """Return a port that is free now: it stays the same over restarts, so that browsers find the chat again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
