"""Carrying a cycle out: each ending, going on after a process that died, and never two at once."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from core.cycles import CycleState, CycleView
from core.errors import HubUnreachable, NotFound, StorageBusy, TrainingBusy, TrainingFailed
from storage import cycles
from storage.database import Session
from storage.training_runs import Owner
from tests.trainer.cycle_world import OTHER, WAY, at_once, settings_for
from trainer.cycle.carried import Carried
from trainer.cycle.carrying_out import STEPS, carry_out
from trainer.cycle.folder import CycleFolder, FrozenExamples

S = CycleState
NO_EXAMPLES = FrozenExamples(rated=(), preferred=(), held_out=())
Steps = Mapping[CycleState, Callable[[Carried], None]]


@pytest.fixture
def url(migrated_file: Path, tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{shutil.copy(migrated_file, tmp_path / 'a.db')}"


class Course:
    """Steps that only move on, one database and one folder for cycles."""

    def __init__(self, url: str, root: Path) -> None:
        self.url, self.root = url, root
        self.taken: list[CycleState] = []
        self.told: list[CycleState] = []

    def steps(self, **other: Callable[[Carried], None]) -> Steps:
        """Return a step for each state, with `other` ones in place of those of the states that they are named by."""
        return {state: other.get(state.value, self._step) for state in STEPS}

    def _step(self, carried: Carried) -> None:
        self.taken.append(carried.cycle.state)
        after = WAY[WAY.index(carried.cycle.state) + 1]
        if carried.cycle.state is S.BUILDING:
            carried.folder.freeze(NO_EXAMPLES)
        carried.move(after)

    def planned(self) -> str:
        return at_once(self.url, lambda world: world.planned())

    def at(self, state: CycleState) -> str:
        return at_once(self.url, lambda world: world.cycle(state)).id

    def view(self, cycle_id: str) -> CycleView:
        return at_once(self.url, lambda world: world.view(cycle_id))

    def is_free(self, cycle_id: str) -> bool:
        return at_once(self.url, lambda world: world.owner_of(cycle_id)) is None

    def has_folder(self, cycle_id: str) -> bool:
        return CycleFolder(cycle_id, self.root).path.exists()

    def go(self, cycle_id: str, **other: Callable[[Carried], None]) -> CycleView:
        return carry_out(
            settings_for(self.url),
            cycle_id,
            tell=lambda cycle: self.told.append(cycle.state),
            root=self.root,
            steps=self.steps(**other),
        )


@pytest.fixture
def course(url: str, tmp_path: Path) -> Course:
    return Course(url, tmp_path / "cycles")


def test_every_open_state_but_the_canary_has_a_step() -> None:
    assert set(STEPS) == set(WAY) - {S.CANARY}


def test_a_cycle_goes_through_its_states_to_its_canary(course: Course) -> None:
    cycle_id = course.planned()
    cycle = course.go(cycle_id)
    assert cycle.state is S.CANARY
    assert [state for state, _ in cycle.history] == list(WAY) == course.told
    assert course.taken == list(STEPS)
    assert course.is_free(cycle_id)
    assert not course.has_folder(cycle_id)


@pytest.mark.parametrize("state", STEPS)
def test_a_cycle_goes_on_in_the_state_in_which_its_process_died(course: Course, state: CycleState) -> None:
    cycle_id = course.at(state)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    dead = Owner(socket.gethostname(), ended.pid)
    at_once(course.url, lambda world: world.take_over(cycle_id, dead))
    CycleFolder(cycle_id, course.root).freeze(NO_EXAMPLES)
    assert course.go(cycle_id).state is S.CANARY
    assert course.taken == list(STEPS)[list(STEPS).index(state) :]
    assert not course.has_folder(cycle_id)


def test_a_lasting_error_fails_the_cycle_with_its_sentence(course: Course) -> None:
    def fail(_carried: Carried) -> None:
        raise TrainingFailed("The loss is no number; lower lr.")

    cycle_id = course.planned()
    cycle = course.go(cycle_id, training=fail)
    assert (cycle.state, cycle.reason) == (S.FAILED, "The loss is no number; lower lr.")
    assert cycle.finished_at is not None
    assert not course.has_folder(cycle_id)
    assert course.is_free(cycle_id)


@pytest.mark.parametrize("error", [HubUnreachable("The Hub is away."), StorageBusy("Busy."), RuntimeError("a bug")])
def test_where_another_try_may_help_the_cycle_stays_open_and_free(course: Course, error: Exception) -> None:
    def fail(_carried: Carried) -> None:
        raise error

    cycle_id = course.planned()
    with pytest.raises(type(error)):
        course.go(cycle_id, training=fail)
    assert course.view(cycle_id).state is S.TRAINING
    assert course.is_free(cycle_id)
    assert course.has_folder(cycle_id), "whoever goes on needs the examples"
    assert course.go(cycle_id).state is S.CANARY


def test_settings_of_another_version_fail_the_cycle_instead_of_keeping_it_open(course: Course) -> None:
    def use_settings(carried: Carried) -> None:
        assert carried.config

    cycle_id = at_once(course.url, lambda world: world.planned_with({"colour": "red"}))
    cycle = course.go(cycle_id, building=use_settings)
    assert cycle.state is S.FAILED
    assert f"cycle {cycle_id}: unknown key 'colour'" in (cycle.reason or "")


@pytest.mark.parametrize("state", STEPS)
def test_a_cycle_that_somebody_wants_to_end_is_cancelled_before_its_next_step(
    course: Course, state: CycleState
) -> None:
    cycle_id = course.at(state)
    at_once(course.url, lambda world: world.take_over(cycle_id))
    at_once(course.url, lambda world: world.want_end(cycle_id))
    at_once(course.url, lambda world: world.forget_owner(cycle_id))
    CycleFolder(cycle_id, course.root).freeze(NO_EXAMPLES)
    cycle = course.go(cycle_id)
    assert (cycle.state, cycle.reason) == (S.CANCELLED, "An operator cancelled it.")
    assert course.taken == []
    assert not course.has_folder(cycle_id)


def test_a_wish_to_end_it_that_comes_during_a_step_is_obeyed_after_it(course: Course) -> None:
    def wish(carried: Carried) -> None:
        carried.book.write(lambda session: cancel(session, carried.cycle.id))

    cycle = course.go(course.planned(), training=wish)
    assert (cycle.state, course.taken) == (S.CANCELLED, [S.PLANNED, S.BUILDING])


def test_a_step_that_is_given_up_for_a_wish_to_end_leaves_the_cycle_cancelled(course: Course) -> None:
    def give_up(carried: Carried) -> None:
        carried.book.write(lambda session: cancel(session, carried.cycle.id))
        carried.stop.request()
        carried.stop.require_unwanted()
        raise AssertionError("it went on")

    cycle = course.go(course.planned(), evaluating=give_up)
    assert (cycle.state, cycle.reason) == (S.CANCELLED, "An operator cancelled it.")


async def cancel(session: Session, cycle_id: str) -> None:
    await cycles.request_cancel(session, cycle_id)


def test_sigterm_that_a_step_took_note_of_ends_the_process_and_leaves_the_cycle(course: Course) -> None:
    def note(carried: Carried) -> None:
        with carried.stop.patiently():
            signal.raise_signal(signal.SIGTERM)

    cycle_id = course.planned()
    with pytest.raises(SystemExit) as ended:
        course.go(cycle_id, training=note)
    assert ended.value.code == 128 + signal.SIGTERM
    assert course.view(cycle_id).state is S.TRAINING
    assert course.is_free(cycle_id)
    assert course.has_folder(cycle_id)


def test_sigterm_during_a_step_with_nothing_to_save_leaves_the_cycle(course: Course) -> None:
    cycle_id = course.planned()
    with pytest.raises(SystemExit):
        course.go(cycle_id, evaluating=lambda _: signal.raise_signal(signal.SIGTERM))
    assert course.view(cycle_id).state is S.EVALUATING
    assert course.is_free(cycle_id)


def test_a_cycle_that_another_process_took_is_left_to_it_with_its_examples(course: Course) -> None:
    def lose(carried: Carried) -> None:
        steal(carried)
        carried.move(S.EVALUATING)

    cycle_id = course.planned()
    with pytest.raises(TrainingBusy, match=f"The cycle {cycle_id} was ended, or taken over by another process"):
        course.go(cycle_id, training=lose)
    assert course.view(cycle_id).state is S.TRAINING
    assert at_once(course.url, lambda world: world.owner_of(cycle_id)) == OTHER
    assert course.has_folder(cycle_id)


def test_an_error_of_a_process_that_has_lost_its_cycle_does_not_end_it(course: Course) -> None:
    """The end deleted the examples that the other process was learning from."""

    def lose(carried: Carried) -> None:
        steal(carried)
        raise TrainingFailed("Another process has taken the run.")

    cycle_id = course.planned()
    with pytest.raises(TrainingBusy, match="taken over by another process"):
        course.go(cycle_id, training=lose)
    assert course.view(cycle_id).state is S.TRAINING
    assert course.has_folder(cycle_id)


def steal(carried: Carried) -> None:
    cycle_id = carried.cycle.id
    carried.book.write(lambda session: cycles.claim(session, cycle_id, owner=OTHER, is_alive=lambda _: False))


def test_a_cycle_that_was_ended_meanwhile_leaves_no_texts_behind(course: Course) -> None:
    """Who is forgotten ends the cycle at once; the process that measured noticed it as busy and left the folder."""

    def lose(carried: Carried) -> None:
        cycle_id = carried.cycle.id
        carried.book.write(lambda session: cycles.finish(session, cycle_id, after=S.CANCELLED, reason="Forgotten."))
        carried.move(S.GATED)

    cycle_id = course.planned()
    cycle = course.go(cycle_id, evaluating=lose)
    assert (cycle.state, cycle.reason) == (S.CANCELLED, "Forgotten.")
    assert not course.has_folder(cycle_id)


def test_a_living_process_is_not_disturbed(course: Course) -> None:
    cycle_id = course.planned()
    at_once(course.url, lambda world: world.take_over(cycle_id))
    with pytest.raises(TrainingBusy, match="is carried out by process 1 on elsewhere"):
        course.go(cycle_id)
    assert course.taken == []


def test_a_cycle_that_has_ended_is_not_begun_again(course: Course) -> None:
    cycle_id = course.planned()
    at_once(course.url, lambda world: world.want_end(cycle_id))
    with pytest.raises(NotFound, match=f"There is no open cycle {cycle_id}"):
        course.go(cycle_id)


def test_what_a_killed_process_left_of_an_ended_cycle_is_deleted_by_the_next(course: Course) -> None:
    old = course.planned()
    at_once(course.url, lambda world: world.want_end(old))
    foreign = "of another database"
    for name in (old, foreign):
        CycleFolder(name, course.root).freeze(NO_EXAMPLES)
    course.go(course.planned())
    assert not course.has_folder(old)
    assert course.has_folder(foreign)


def test_the_process_is_named_while_it_works(course: Course) -> None:
    seen: list[object] = []
    cycle_id = course.planned()

    def look(carried: Carried) -> None:
        seen.append(carried.book.read(lambda session: cycles.owner_of(session, cycle_id)))
        carried.move(S.BUILDING)

    course.go(cycle_id, planned=look)
    (owner,) = seen
    assert (owner.host, owner.process_id) == (socket.gethostname(), os.getpid())  # type: ignore[attr-defined]
