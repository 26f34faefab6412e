"""A run's row as the training writes it: at most every two seconds, and never at the cost of the training."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.cycles import CycleState
from core.errors import StorageBusy, TrainingBusy, TrainingFailed
from core.records import RunState
from storage import clock
from storage.training_runs import Trainer
from tests.trainer.cycle_world import at_once
from tests.trainer.test_progress import MOMENT
from trainer.run.owner import SILENCE, is_alive
from trainer.run.progress import Moment
from trainer.run.record import NewRun, RunBook, RunRecord

NEW = NewRun(base_model="pocket", base_revision=None, config={"lora": {}}, seed=0)
HERE = socket.gethostname()


@pytest.fixture
def database_file(migrated_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated_file, tmp_path / "a.db"))


@pytest.fixture
def url(database_file: Path) -> str:
    return f"sqlite+aiosqlite:///{database_file}"


def step_of(file: Path) -> int | None:
    with closing(sqlite3.connect(file)) as connection:
        (row,) = connection.execute("SELECT step FROM training_runs").fetchall()
    return None if row[0] is None else int(row[0])


def test_run_is_added_and_claimed_in_one_go(url: str, tmp_path: Path) -> None:
    with RunBook(url) as book:
        book.claim("r" * 26, tmp_path / "out", new=NEW)
        run = book.find("r" * 26)
        assert (run.state, run.folder, run.config) == (RunState.RUNNING, str(tmp_path / "out"), {"lora": {}})
        with pytest.raises(TrainingBusy, match=f"going on in process {os.getpid()} on {HERE}"):
            book.claim("s" * 26, tmp_path / "other", new=NEW)
        with pytest.raises(TrainingFailed):
            book.find("s" * 26)


def test_last_run_that_can_go_on_is_found(url: str, tmp_path: Path) -> None:
    with RunBook(url) as book:
        with pytest.raises(TrainingFailed, match="There is no training run to go on with; leave --resume out"):
            book.find(None)
        record = book.claim("r" * 26, tmp_path, new=NEW)
        record.stop()
        assert book.find(None).state is RunState.STOPPED
        again = book.claim("r" * 26, tmp_path)
        again.finish(metrics={}, adapter_folder=tmp_path)
        with pytest.raises(TrainingFailed, match="There is no training run to go on with"):
            book.find(None)


def test_run_of_a_cycle_is_never_picked_and_its_refusal_names_retrain(url: str, tmp_path: Path) -> None:
    """It was trained without its votes, since only its cycle knows the frozen examples."""
    cycle = at_once(url, lambda world: world.cycle(CycleState.EVALUATING))
    assert cycle.run_id is not None
    set_state(url, cycle.run_id, "failed")
    with RunBook(url) as book:
        for run_id in (None, cycle.run_id):
            with pytest.raises(TrainingFailed) as caught:
                book.find(run_id)
            assert str(caught.value) == (
                f"The training run {cycle.run_id} is that of the cycle {cycle.id}; `mjprompt retrain` goes on with it, "
                "or begins a new one."
            )
        book.claim("0" * 26, tmp_path / "out", new=NEW).stop()
        assert book.find(None).id == "0" * 26


def set_state(url: str, run_id: str, state: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"))) as connection, connection:
        connection.execute("UPDATE training_runs SET state = ? WHERE id = ?", (state, run_id))


def test_first_step_is_written_at_once_the_next_ones_not_and_the_last_at_the_end(
    url: str, database_file: Path, tmp_path: Path
) -> None:
    with RunBook(url) as book:
        record = book.claim("r" * 26, tmp_path, new=NEW)
        record.start(step=0, num_steps=10)
        assert step_of(database_file) is None
        record.moment(MOMENT)
        assert step_of(database_file) == 3
        for step in (4, 5):
            record.moment(moment_at(step))
        assert step_of(database_file) == 3
        record.close()
        assert step_of(database_file) == 5


def moment_at(step: int) -> Moment:
    return replace(MOMENT, progress=replace(MOMENT.progress, step=step))


def test_database_that_is_locked_costs_a_warning_and_no_training() -> None:
    def busy(_act: object) -> None:
        raise StorageBusy("The database is locked.")

    record = RunRecord("r", busy)
    with capture_logs() as logs:
        record.moment(MOMENT)
        record.fail("x")
        record.stop()
    assert [line["event"] for line in logs] == ["train.row_not_written"] * 3


def test_run_that_another_process_took_ends_here(url: str, database_file: Path, tmp_path: Path) -> None:
    with RunBook(url) as book:
        record = book.claim("r" * 26, tmp_path, new=NEW)
        with closing(sqlite3.connect(database_file)) as connection, connection:
            connection.execute("UPDATE training_runs SET process_id = 1")
        with pytest.raises(TrainingFailed, match="Another process has taken the run"):
            record.moment(MOMENT)


@pytest.mark.parametrize("taken", ["process_id = 1", "host = 'elsewhere'"])
def test_process_that_lost_its_run_does_not_end_it_for_the_one_that_has_it(
    url: str, database_file: Path, tmp_path: Path, taken: str
) -> None:
    """The loser's last words marked the run as failed while the other process, of the same number, went on."""
    with RunBook(url) as book:
        record = book.claim("r" * 26, tmp_path, new=NEW)
        with closing(sqlite3.connect(database_file)) as connection, connection:
            connection.execute(f"UPDATE training_runs SET {taken}")
        record.fail("Another process has taken the run.")
        record.stop()
        with pytest.raises(TrainingFailed, match=r"its adapter is whole in .*--resume --run r+` puts it on"):
            record.finish(metrics={}, adapter_folder=tmp_path)
        run = book.find("r" * 26)
    assert (run.state, run.error) == (RunState.RUNNING, None)


def test_process_here_is_alive_while_it_is_there() -> None:
    now = clock.utc_now()
    assert is_alive(Trainer(host=HERE, process_id=os.getpid(), heard_at=now))
    assert is_alive(Trainer(host=HERE, process_id=os.getpid(), heard_at=now + timedelta(days=1)))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not is_alive(Trainer(host=HERE, process_id=ended.pid, heard_at=now))


def test_process_that_got_the_number_of_a_dead_trainer_is_not_taken_for_it() -> None:
    long_ago = clock.utc_now() - timedelta(days=3650)
    assert not is_alive(Trainer(host=HERE, process_id=os.getpid(), heard_at=long_ago))


def test_trainer_elsewhere_counts_as_gone_when_it_is_silent_for_long() -> None:
    for ago, expected in ((SILENCE / 2, True), (SILENCE * 2, False)):
        assert is_alive(Trainer(host="elsewhere", process_id=1, heard_at=clock.utc_now() - ago)) is expected


def test_process_that_was_killed_and_not_collected_is_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(Trainer(host=HERE, process_id=process.pid, heard_at=clock.utc_now()))
    process.wait()
