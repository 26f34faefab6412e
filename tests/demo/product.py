"""`mjprompt run` as a process of its own: the pocket model, a database in a temporary folder, any free port.

Nothing of the person's own settings reaches it. It does not know what is asked of it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from core.settings import POCKET_FOLDER, PROJECT_ROOT, Settings
from tests.demo.steps import DemoFailed

START_SECONDS = 120.0
STOP_SECONDS = 60.0
LAST_LINES = 5


@asynccontextmanager
async def running_product(folder: Path, settings: Mapping[str, str], *, module: str = "app.cli") -> AsyncIterator[None]:
    """Run it until left, from when it says that it is ready; `module` is the command line to run.

    Raises:
        DemoFailed: it does not start, or does not end as it should.
    """
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", module, "run"),
            cwd=folder,
            env=_environment(folder, settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            await _ready(process, folder / "log")
            yield
            await _ended(process, folder / "log")
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()  # its worker ends when its standard input does
            await process.communicate()


def _environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    return {
        **own,
        "PYTHONPATH": str(PROJECT_ROOT),
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'demo.db'}",
        "MODEL_ID": str(POCKET_FOLDER),
        "WEB_PORT": "0",
        **settings,
    }


async def _ready(process: asyncio.subprocess.Process, log: Path) -> None:
    assert process.stdout is not None
    said: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while line := (await process.stdout.readline()).decode():
                said.append(line)
                if line.startswith("Ready"):
                    return
    raise DemoFailed(f"mjprompt run did not get ready:\n{_last_lines(''.join(said), log)}")


async def _ended(process: asyncio.subprocess.Process, log: Path) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.communicate(), STOP_SECONDS)
    except TimeoutError as error:
        raise DemoFailed(f"mjprompt run did not stop within {STOP_SECONDS:.0f} s.") from error
    if process.returncode != 0:
        raise DemoFailed(f"mjprompt run ended with status {process.returncode}:\n{_last_lines('', log)}")


def _last_lines(said: str, log: Path) -> str:
    return "\n".join([*said.splitlines(), *log.read_text().splitlines()][-LAST_LINES:])
