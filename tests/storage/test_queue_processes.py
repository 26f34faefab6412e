"""The queue between real processes: claiming at once, dying by SIGKILL, and waking up too late."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.records import NewRequest, RequestState
from core.settings import PROJECT_ROOT

SCRIPT = Path(__file__).with_name("queue_process.py")
NUM_REQUESTS = 300


class WorkerProcess:
    """One run of queue_process.py, talked to line by line."""

    def __init__(self, url: str, name: str, mode: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(SCRIPT), url, name, mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        )

    def read(self) -> object:
        return json.loads(self.process.stdout.readline())

    def go_on(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(url: str) -> Iterator[Callable[[str, str], WorkerProcess]]:
    """Starts a worker process by name and mode and waits until it is ready."""
    started: list[WorkerProcess] = []

    def start_one(name: str, mode: str) -> WorkerProcess:
        started.append(WorkerProcess(url, name, mode))
        return started[-1]

    yield start_one
    for worker in started:
        worker.end()


async def test_two_processes_claiming_at_once_never_get_the_same_request(world, start):
    user_ids = [await world.user(f"user {number}") for number in range(7)]
    async with world.database.write() as session:
        asked = [
            await world.queue.enqueue(session, user_ids[number % 7], NewRequest(idea="a boy", subject="a boy"))
            for number in range(NUM_REQUESTS)
        ]
    workers = [start(name, "drain") for name in ("first", "second")]
    assert [worker.read() for worker in workers] == ["ready", "ready"]
    for worker in workers:
        worker.go_on()
    first, second = [worker.read() for worker in workers]
    assert sorted(first + second) == sorted(asked)
    assert first
    assert second
    assert await world.count("candidates") == NUM_REQUESTS
    assert await world.count("requests WHERE state = 'done' AND attempts = 1") == NUM_REQUESTS


async def test_a_killed_workers_request_comes_back_and_is_answered_once(world, start, moved_clock):
    request_id = await world.ask()
    worker = start("mortal", "nap")
    assert worker.read() == "ready"
    worker.go_on()
    assert worker.read() == request_id
    worker.process.kill()
    worker.process.wait()

    assert await world.queue.return_stalled() == 0
    assert await world.state(request_id) is RequestState.RUNNING
    moved_clock.forward(90)
    assert await world.queue.return_stalled() == 1
    claim = await world.claim_one()
    assert (claim.id, claim.attempt) == (request_id, 2)
    assert await world.complete(claim, texts=["the answer"])
    assert await world.queue.return_stalled() == 0
    assert await world.queue.claim("w", 1) == []
    assert [candidate.text for candidate in (await world.view(request_id)).candidates] == ["the answer"]


async def test_a_worker_that_wakes_up_too_late_is_refused(world, start, moved_clock):
    request_id = await world.ask()
    zombie = start("zombie", "nap")
    assert zombie.read() == "ready"
    zombie.go_on()
    assert zombie.read() == request_id
    moved_clock.forward(90)
    assert await world.queue.return_stalled() == 1
    assert await world.complete(await world.claim_one(), texts=["the answer"])
    zombie.go_on()
    assert zombie.read() is False
    assert [candidate.text for candidate in (await world.view(request_id)).candidates] == ["the answer"]
