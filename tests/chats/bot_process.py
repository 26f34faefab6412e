"""The real `mjprompt` as a process of its own, which a test can kill at any moment.

What it prints goes into files, so that a talkative one never waits for a reader.
"""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.settings import PROJECT_ROOT, Settings
from tests.parity.waiting import until

PATIENCE_SECONDS = 60.0
_NUMBERS = itertools.count(1)


@dataclass(slots=True, kw_only=True)
class BotProcess:
    """One run of the command; `stdout` and `stderr` are files."""

    process: asyncio.subprocess.Process
    stdout: Path
    stderr: Path

    async def prints(self, *fragments: str) -> None:
        """Wait until it has printed all of these."""
        await until(
            lambda: self._has_printed(fragments), f"{fragments} in {self.stdout}", within_seconds=PATIENCE_SECONDS
        )

    def address(self) -> str:
        """Return the web chat's address as it was printed."""
        printed = self.stdout.read_text(encoding="utf-8")
        return next(word for word in printed.split() if word.startswith("http://127.0.0.1:"))

    async def kill(self) -> None:
        """End it as a power cut does, with its worker."""
        for member in (*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)):
            member.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def terminate(self) -> int:
        """Ask it to stop; return its exit status."""
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)

    def _has_printed(self, fragments: tuple[str, ...]) -> bool:
        printed = self.stdout.read_text(encoding="utf-8")
        has_ended = self.process.returncode is not None
        assert not has_ended, f"It ended before it printed {fragments}: {printed}{self.stderr.read_text()}"
        return all(fragment in printed for fragment in fragments)


@asynccontextmanager
async def bot_process(command: str, folder: Path, environment: Mapping[str, str]) -> AsyncIterator[BotProcess]:
    """Run `mjprompt COMMAND` in `folder` until left; it is killed if it has not ended by then."""
    number = next(_NUMBERS)
    stdout, stderr = folder / f"{command}-{number}.out", folder / f"{command}-{number}.err"
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.cli", command),
            stdout=out,
            stderr=err,
            cwd=folder,
            env={**_without_settings(), "PYTHONPATH": str(PROJECT_ROOT), **environment},
        )
    bot = BotProcess(process=process, stdout=stdout, stderr=stderr)
    try:
        yield bot
    finally:
        if process.returncode is None:
            await bot.kill()


def _without_settings() -> dict[str, str]:
    """Return the environment without anything that the product reads from it."""
    names = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name.upper() not in names}
