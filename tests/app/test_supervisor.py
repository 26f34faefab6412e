"""Supervision of one child process; the children here are a line of Python each."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from app.supervisor import WorkerSupervisor
from core.backoff import backoff_seconds
from core.errors import PermanentError
from worker.exit_status import SWAPPED

OBEDIENT = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); time.sleep(60)"
UNTIL_ALONE = "import os\nwhile os.read(0, 1024): pass"


def child(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def pid_of(supervisor: WorkerSupervisor, *, other_than: int | None = None) -> int:
    async with asyncio.timeout(10):
        while supervisor.pid in (None, other_than):
            await asyncio.sleep(0.01)
    assert supervisor.pid is not None
    return supervisor.pid


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_back_off_doubles_up_to_thirty_seconds() -> None:
    assert [backoff_seconds(failures) for failures in (1, 2, 3, 4, 5, 6, 1000)] == [1, 2, 4, 8, 16, 30, 30]


async def test_worker_that_dies_is_restarted_with_growing_delays() -> None:
    asked: list[int] = []

    def delay_seconds(failures: int) -> float:
        asked.append(failures)
        if failures == 4:
            supervisor.stop()
        return 0.0

    supervisor = WorkerSupervisor(child("raise SystemExit(1)"), delay_seconds=delay_seconds)
    await asyncio.wait_for(supervisor.run(), 20)
    assert asked == [1, 2, 3, 4]


async def test_delays_start_anew_after_a_healthy_while() -> None:
    asked: list[int] = []

    def delay_seconds(failures: int) -> float:
        asked.append(failures)
        if len(asked) == 3:
            supervisor.stop()
        return 0.0

    supervisor = WorkerSupervisor(child("raise SystemExit(1)"), delay_seconds=delay_seconds, healthy_seconds=0.0)
    await asyncio.wait_for(supervisor.run(), 20)
    assert asked == [1, 1, 1]


async def test_worker_that_has_to_serve_another_adapter_is_restarted_at_once(tmp_path: Path) -> None:
    file = tmp_path / "starts"
    code = (
        f"import pathlib, sys; file = pathlib.Path({str(file)!r}); "
        "file.write_text(file.read_text() + '.' if file.exists() else '.'); "
        f"sys.exit({SWAPPED} if len(file.read_text()) < 3 else 1)"
    )
    asked: list[int] = []

    def delay_seconds(failures: int) -> float:
        asked.append(failures)
        supervisor.stop()
        return 0.0

    supervisor = WorkerSupervisor(child(code), delay_seconds=delay_seconds)
    await asyncio.wait_for(supervisor.run(), 20)
    assert file.read_text() == "..."
    assert asked == [1], "only the end that was a fault has a delay, and counts as the first"


async def test_killed_worker_is_replaced() -> None:
    supervisor = WorkerSupervisor(child("import time; time.sleep(60)"), delay_seconds=lambda _: 0.0)
    running = asyncio.create_task(supervisor.run())
    first = await pid_of(supervisor)
    os.kill(first, signal.SIGKILL)
    assert await pid_of(supervisor, other_than=first) != first
    supervisor.stop()
    await asyncio.wait_for(running, 10)


async def test_worker_that_gives_up_ends_supervision_with_its_sentence() -> None:
    code = "import sys; print('loading'); print('The model is missing; set MODEL_ID.'); sys.exit(3)"
    supervisor = WorkerSupervisor(child(code), delay_seconds=lambda _: 0.0)
    with pytest.raises(PermanentError, match=r"^The model is missing; set MODEL_ID\.$"):
        await asyncio.wait_for(supervisor.run(), 20)


async def test_stop_lets_the_worker_end_by_itself() -> None:
    supervisor = WorkerSupervisor(child(OBEDIENT))
    running = asyncio.create_task(supervisor.run())
    pid = await pid_of(supervisor)
    supervisor.stop()
    await asyncio.wait_for(running, 10)
    assert not is_running(pid)
    assert supervisor.pid is None


async def test_stop_while_the_worker_is_being_made_is_not_lost() -> None:
    supervisor = WorkerSupervisor(child(OBEDIENT))
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0)
    assert supervisor.pid is None
    supervisor.stop()
    await asyncio.wait_for(running, 10)


async def test_stop_twice_in_a_row_reaches_the_worker_twice(tmp_path: Path) -> None:
    file = tmp_path / "listening"
    code = (
        "import pathlib, signal, sys, time\n"
        "heard = []\n"
        "for number in (signal.SIGTERM, signal.SIGINT):\n"
        "    signal.signal(number, lambda *_: heard.append(1) or (len(heard) == 2 and sys.exit(0)))\n"
        f"pathlib.Path({str(file)!r}).touch()\n"
        "time.sleep(60)"
    )
    supervisor = WorkerSupervisor(child(code))
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(10):
        while not file.exists():
            await asyncio.sleep(0.01)
    supervisor.stop()
    supervisor.stop()
    await asyncio.wait_for(running, 10)


async def test_cancelled_supervision_leaves_no_worker_behind() -> None:
    supervisor = WorkerSupervisor(child("import time; time.sleep(60)"))
    running = asyncio.create_task(supervisor.run())
    pid = await pid_of(supervisor)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(10):
        while is_running(pid):
            await asyncio.sleep(0.01)


async def test_worker_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    worker = f"import os, pathlib; pathlib.Path({str(file)!r}).write_text(str(os.getpid()))\n{UNTIL_ALONE}"
    code = (
        "import asyncio, sys; from app.supervisor import WorkerSupervisor; "
        f"asyncio.run(WorkerSupervisor([sys.executable, '-c', {worker!r}]).run())"
    )
    parent = await asyncio.create_subprocess_exec(*child(code))
    async with asyncio.timeout(20):
        while not file.exists() or not file.read_text():
            await asyncio.sleep(0.01)
        parent.kill()
        await parent.wait()
        pid = int(file.read_text())
        while is_running(pid) and not is_zombie(pid):
            await asyncio.sleep(0.01)


def is_zombie(pid: int) -> bool:
    """An orphan stays as a zombie where the machine's first process does not collect it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
