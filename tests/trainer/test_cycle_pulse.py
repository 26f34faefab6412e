"""The pulse says that the process is there, and asks it to end when it has to."""

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from core.cycles import CycleState
from storage import clock
from tests.trainer.cycle_world import at_once
from trainer.cycle.pulse import Pulse
from trainer.run.owner import own_process
from trainer.run.stop_flag import StopFlag

BEAT_SECONDS = 0.01
PATIENCE_SECONDS = 20.0


class HeardStop(StopFlag):
    """A stop flag that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def request(self) -> None:
        super().request()
        self.heard.set()


@pytest.fixture
def file(migrated_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated_file, tmp_path / "a.db"))


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture
def cycle_id(url: str) -> str:
    """A cycle that this process trains."""
    cycle = at_once(url, lambda world: world.cycle(CycleState.TRAINING))
    at_once(url, lambda world: world.take_over(cycle.id, own_process()))
    return cycle.id


def heard_at(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        (found,) = connection.execute("SELECT heartbeat_at FROM cycles").fetchone()
    return str(found)


def test_it_goes_on_saying_that_the_process_is_there(file: Path, url: str, cycle_id: str) -> None:
    stop, seen = HeardStop(), {heard_at(file)}
    until = clock.utc_now().timestamp() + PATIENCE_SECONDS
    with Pulse(url, cycle_id, stop, beat_seconds=BEAT_SECONDS):
        while len(seen) < 4:
            assert clock.utc_now().timestamp() < until
            seen.add(heard_at(file))
    assert not stop()
    last = heard_at(file)
    assert last == heard_at(file), "it is over with its block"


def test_a_wish_to_end_the_cycle_is_passed_on(url: str, cycle_id: str) -> None:
    stop = HeardStop()
    with Pulse(url, cycle_id, stop, beat_seconds=BEAT_SECONDS):
        at_once(url, lambda world: world.want_end(cycle_id))
        assert stop.heard.wait(PATIENCE_SECONDS)
    assert stop()


def test_a_cycle_that_another_process_has_is_given_up(url: str, cycle_id: str) -> None:
    stop = HeardStop()
    with Pulse(url, cycle_id, stop, beat_seconds=BEAT_SECONDS):
        at_once(url, lambda world: world.take_over(cycle_id))
        assert stop.heard.wait(PATIENCE_SECONDS)


def test_a_cycle_that_has_ended_is_given_up(file: Path, url: str, cycle_id: str) -> None:
    stop = HeardStop()
    with Pulse(url, cycle_id, stop, beat_seconds=BEAT_SECONDS):
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE cycles SET state = 'failed', is_open = 0, finished_at = created_at")
        assert stop.heard.wait(PATIENCE_SECONDS)


def test_a_database_that_is_away_for_a_while_ends_nothing(file: Path, url: str, cycle_id: str) -> None:
    stop = HeardStop()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("ALTER TABLE cycles RENAME TO moved")
    with Pulse(url, cycle_id, stop, beat_seconds=BEAT_SECONDS):
        assert not stop.heard.wait(0.2)
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("ALTER TABLE moved RENAME TO cycles")
        at_once(url, lambda world: world.want_end(cycle_id))
        assert stop.heard.wait(PATIENCE_SECONDS), "it still beats"
