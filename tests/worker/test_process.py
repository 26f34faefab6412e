"""The worker as a real process: signals, sudden death, the lifeline, the exit status."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.records import RequestState, WorkerState
from core.settings import PROJECT_ROOT, Settings
from falcon.adapter_files import ADAPTER_WEIGHTS
from storage import clock, serving
from storage.database import Database
from storage.states import AdapterState, PromotionReason
from storage.tables import AdapterRow
from tests.worker.people import Person, eventually
from worker.exit_status import SWAPPED

DONE, QUEUED, RUNNING = RequestState.DONE, RequestState.QUEUED, RequestState.RUNNING
COMMAND = [sys.executable, "-m", "tests.worker.fake_worker"]
Start = Callable[..., subprocess.Popen[str]]

plain_and_running = pytest.mark.parametrize("load", ["ok", "running"])


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Start fake worker processes, and leave none behind."""
    processes: list[subprocess.Popen[str]] = []

    def start_one(
        *, delay_seconds: float = 0.0, load: str = "ok", is_supervised: bool = False
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *(["--supervised"] if is_supervised else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                "DATABASE_URL": settings.database_url,
                "LEASE_SECONDS": str(settings.lease_seconds),
                "FAKE_DELAY_SECONDS": str(delay_seconds),
                "FAKE_LOAD": load,
            },
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()


async def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the process; return its exit status, standard output and standard error."""
    stdout, stderr = await asyncio.wait_for(asyncio.to_thread(_read_to_end, process), 20)
    return process.returncode, stdout, stderr


def _read_to_end(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stdout is not None
    assert process.stderr is not None
    output = process.stdout.read(), process.stderr.read()
    process.wait()
    return output


@plain_and_running
async def test_killed_workers_request_comes_back_and_is_answered_once(start: Start, ann: Person, load: str) -> None:
    request_id = await ann.ask("a cat")
    first = start(load=load, delay_seconds=60)
    await ann.sees(RUNNING, request_id)
    first.kill()
    start(load=load)
    await ann.sees(DONE, request_id)
    view = await ann.view(request_id)
    assert [candidate.rank for candidate in view.candidates] == [1, 2, 3, 4]


@plain_and_running
async def test_sigterm_finishes_the_answer_and_exits_0(start: Start, ann: Person, load: str) -> None:
    process = start(load=load, delay_seconds=1)
    request_id = await ann.ask("a cat")
    await ann.sees(RUNNING, request_id)
    process.send_signal(signal.SIGTERM)
    assert (await end(process))[0] == 0
    assert await ann.states(request_id) == [DONE]
    assert await ann.workers() == []


@plain_and_running
async def test_second_signal_gives_the_request_back_at_once(start: Start, ann: Person, load: str) -> None:
    process = start(load=load, delay_seconds=60)
    request_id = await ann.ask("a cat")
    await ann.sees(RUNNING, request_id)
    process.send_signal(signal.SIGINT)

    async def is_draining() -> bool:
        return [status.state for status in await ann.workers()] == [WorkerState.DRAINING]

    await eventually(is_draining)
    process.send_signal(signal.SIGINT)
    assert (await end(process))[0] == 0
    assert await ann.states(request_id) == [QUEUED]


async def test_worker_that_never_finishes_loading_still_obeys(start: Start, ann: Person) -> None:
    process = start(load="forever")
    await eventually(ann.workers)
    process.send_signal(signal.SIGTERM)
    assert (await end(process))[0] == 0


async def test_supervised_worker_ends_when_its_supervisor_is_gone(start: Start, ann: Person) -> None:
    process = start(is_supervised=True)
    await eventually(ann.workers)
    assert process.stdin is not None
    process.stdin.close()
    assert (await end(process))[0] == 0


async def test_missing_model_exits_3_with_one_sentence_on_standard_error(start: Start) -> None:
    status, stdout, stderr = await end(start(load="missing"))
    assert (status, stdout) == (3, "")
    assert stderr.splitlines()[-1] == "The model folder /nowhere is missing; set MODEL_ID."


async def test_database_without_tables_is_one_sentence_and_no_other_line(start: Start, settings: Settings) -> None:
    file_of(settings).unlink()
    status, stdout, stderr = await end(start())
    assert (status, stdout) == (3, "")
    assert "run `mjprompt db upgrade`" in stderr
    assert stderr.count("\n") == 1, stderr


def file_of(settings: Settings) -> Path:
    return Path(settings.database_url.removeprefix("sqlite+aiosqlite:///"))


async def test_supervised_worker_hands_its_sentence_to_the_supervisor(start: Start) -> None:
    status, stdout, _ = await end(start(load="missing", is_supervised=True))
    assert (status, stdout) == (3, "The model folder /nowhere is missing; set MODEL_ID.\n")


async def activate(database: Database, folder: Path) -> None:
    """Register an adapter of the fake model, which serves from now on."""
    async with database.write() as session:
        now = clock.utc_now()
        row = AdapterRow(id="style", state=AdapterState.CANDIDATE, base_model="fake", folder=str(folder), metrics={})
        row.created_at = row.updated_at = now
        row.sha256 = hashlib.sha256(b"weights").hexdigest()
        session.add(row)
        await session.flush()
        assert await serving.promote(session, "style", reason=PromotionReason.OPERATOR)


async def test_worker_that_cannot_swap_exits_4_and_the_next_serves_the_adapter(
    start: Start, ann: Person, database: Database, tmp_path: Path
) -> None:
    process = start()
    request_id = await ann.ask("a cat")
    await ann.sees(DONE, request_id)
    (tmp_path / ADAPTER_WEIGHTS).write_bytes(b"weights")
    await activate(database, tmp_path)
    assert (await end(process))[0] == SWAPPED
    start()

    async def serves() -> bool:
        return [status.model and status.model.adapter for status in await ann.workers()] == ["style"]

    await eventually(serves)
