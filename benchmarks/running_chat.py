"""Start the whole product as a newcomer does, over a database of its own, and stop it again."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.settings import PROJECT_ROOT

ADDRESS = re.compile(r"http://\S+:\d+")
STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningChat:
    """A chat that has said it is ready, `ready_seconds` after its command was given."""

    address: str
    ready_seconds: float
    worker: psutil.Process


@contextmanager
def running_chat(command: Sequence[str]) -> Iterator[RunningChat]:
    """Run `command` (`make run` or `mjprompt run`) on any free port until left.

    Raises:
        RuntimeError: it ended before it was ready; what it printed is in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite+aiosqlite:///{Path(folder) / 'benchmark.db'}"
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "DATABASE_URL": database, "WEB_PORT": "0", "LOG_LEVEL": "WARNING"},
        )
        try:
            address = _address_once_ready(process)
            seconds = time.perf_counter() - started
            yield RunningChat(address=address, ready_seconds=seconds, worker=_worker_of(process.pid))
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=STOP_SECONDS)


def _address_once_ready(process: "subprocess.Popen[str]") -> str:
    printed: list[str] = []
    for line in process.stdout or ():
        printed.append(line)
        if line.startswith("Ready"):
            match = ADDRESS.search("".join(printed))
            if match is not None:
                return match[0]
    raise RuntimeError("it ended before it was ready:\n" + "".join(printed))


def _worker_of(pid: int) -> psutil.Process:
    for child in psutil.Process(pid).children(recursive=True):
        if "--supervised" in child.cmdline():
            return child
    raise RuntimeError("there is no worker process")
