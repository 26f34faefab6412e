"""The one child that carries a cycle out; the children here are a line of Python each."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from app.cycle_process import CycleProcess, cycle_command

OBEDIENT = (
    "import pathlib, signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); "
    "pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
)


def child(code: str) -> CycleProcess:
    return CycleProcess([sys.executable, "-c", code])


async def ended(process: CycleProcess) -> None:
    async with asyncio.timeout(20):
        while process.is_running:
            await asyncio.sleep(0.01)


def test_the_command_is_that_of_the_command_line() -> None:
    assert cycle_command("app.cli")[1:] == ("-P", "-m", "app.cli", "retrain", "--cycle")


async def test_a_child_gets_the_cycles_id_and_its_end_is_counted_once(tmp_path: Path) -> None:
    file = tmp_path / "cycle"
    process = child("import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('begun'); sys.exit(3)")
    assert (process.is_running, process.pid, process.num_ended) == (False, None, 0)
    await process.start(str(file))
    await ended(process)
    assert (process.is_running, process.pid, process.num_ended) == (False, None, 1)
    assert file.read_text() == "begun"
    await process.start(str(file))
    await ended(process)
    assert process.num_ended == 2


async def test_a_killed_child_is_noticed() -> None:
    process = child("import time; time.sleep(60)")
    await process.start("c")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await ended(process)
    assert process.num_ended == 1


async def test_stop_lets_the_child_save_and_end(tmp_path: Path) -> None:
    file = tmp_path / "listening"
    process = child(OBEDIENT)
    await process.start(str(file))
    pid = process.pid
    async with asyncio.timeout(20):
        while not file.exists():
            await asyncio.sleep(0.01)
    await asyncio.wait_for(process.stop(), 20)
    assert not process.is_running
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_child_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cycle_process.STOP_SECONDS", 0.2)
    file = tmp_path / "listening"
    process = child(OBEDIENT.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN"))
    await process.start(str(file))
    async with asyncio.timeout(20):
        while not file.exists():
            await asyncio.sleep(0.01)
    await asyncio.wait_for(process.stop(), 20)
    assert not process.is_running


async def test_stop_without_a_child_changes_nothing() -> None:
    process = child("")
    await process.stop()
    assert process.num_ended == 0


async def test_ctrl_c_of_the_terminal_reaches_the_parent_alone() -> None:
    process = child("import time; time.sleep(60)")
    await process.start("c")
    assert process.pid is not None
    assert os.getpgid(process.pid) != os.getpgid(0)
    await process.stop()
