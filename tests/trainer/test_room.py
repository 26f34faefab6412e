"""Room on a GPU is measured, and asked of workers only as far as it is needed."""

import math
from datetime import UTC, datetime

import pytest

from core.cycles import Room
from core.errors import ConfigError, NotEnoughMemory
from core.records import ModelInfo, WorkerState, WorkerStatus
from trainer.breather import LOOK_SECONDS, MAX_WORK_SECONDS, NAP_SECONDS, Breather
from trainer.cycle.room import GIB, ROOM_SECONDS, SharingConfig, capped_share, make_room

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOTAL_GIB = 100.0
LEAVING_SECONDS, GONE_SECONDS, STARTING_SECONDS = 5.0, 3.0, 20.0


class Gpu:
    """A GPU with one worker, which gives memory back some seconds after it is asked; time passes as somebody sleeps.

    While it starts anew there is no worker and all is free, then it loads; `is_deaf` gives nothing.
    """

    def __init__(self, free_gib: float, *, is_deaf: bool = False, **given_gib: float) -> None:
        self._free_gib, self._given_gib, self._is_deaf = free_gib, given_gib, is_deaf
        self.asked: list[Room] = []
        self.seconds = 0.0
        self.loads_until = 0.0
        self._asked_at = 0.0

    def free(self) -> int:
        if self._is_starting_anew:
            return int(TOTAL_GIB * GIB)
        return int((self._free_gib + self._given_gib.get(self._given or "", 0.0)) * GIB)

    def workers(self) -> list[WorkerStatus]:
        if self._is_starting_anew:
            age = self.seconds - self._asked_at
            return [] if age < LEAVING_SECONDS + GONE_SECONDS else [worker(WorkerState.LOADING, None)]
        if self._given == "pause":
            return [worker(WorkerState.LOADING, None, is_paused=True)]
        is_loading = self.seconds < self.loads_until
        precision = "nf4" if self._given == "nf4" else "bf16"
        return [worker(WorkerState.LOADING if is_loading else WorkerState.READY, precision)]

    def ask(self, room: Room) -> None:
        self.asked.append(room)
        self._asked_at = self.seconds

    def make_room(
        self, needed_gib: float, *rooms: Room, is_stop_wanted: bool = False, asked: Room | None = None
    ) -> Room | None:
        return make_room(
            int(needed_gib * GIB),
            rooms,
            free=self.free,
            workers=self.workers,
            ask=self.ask,
            asked=asked,
            is_stop_wanted=lambda: is_stop_wanted,
            now=lambda: self.seconds,
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def _given(self) -> str | None:
        is_given = self.asked and not self._is_deaf and self.seconds >= self._asked_at + LEAVING_SECONDS
        return self.asked[-1].value if is_given else None

    @property
    def _is_starting_anew(self) -> bool:
        """Say whether the worker has left and has not come back in the form that was asked for."""
        return self._given == "nf4" and self.seconds < self._asked_at + LEAVING_SECONDS + STARTING_SECONDS


def worker(state: WorkerState, precision: str | None, *, is_paused: bool = False) -> WorkerStatus:
    return WorkerStatus(
        id="w",
        state=state,
        model=ModelInfo(base="falcon", adapter=None, precision=precision, device="cuda") if precision else None,
        started_at=NOW,
        heartbeat_at=NOW,
        metrics={"host": "here", "is_paused": is_paused},
    )


@pytest.mark.parametrize(
    ("free_gib", "asked"),
    [(8.0, []), (7.9, [Room.NF4]), (1.0, [Room.NF4]), (0.9, [Room.NF4, Room.PAUSE]), (0.0, [Room.NF4, Room.PAUSE])],
)
def test_workers_are_asked_for_no_more_than_is_needed(free_gib: float, asked: list[Room]) -> None:
    gpu = Gpu(free_gib, nf4=7.0, pause=8.0)
    assert gpu.make_room(8.0, Room.NF4, Room.PAUSE) == (asked[-1] if asked else None)
    assert gpu.asked == asked


def test_memory_of_a_worker_that_starts_anew_is_not_taken_for_free() -> None:
    gpu = Gpu(1.0, nf4=7.0)
    assert gpu.make_room(8.0, Room.NF4) is Room.NF4
    assert gpu.seconds >= LEAVING_SECONDS + STARTING_SECONDS
    assert gpu.free() == 8 * GIB


def test_a_worker_that_still_loads_is_waited_for() -> None:
    gpu = Gpu(8.0)
    gpu.loads_until = 40.0
    assert gpu.make_room(8.0, Room.NF4, Room.PAUSE) is None
    assert gpu.seconds >= 40


def test_a_worker_that_gives_nothing_is_asked_for_more_after_its_time() -> None:
    gpu = Gpu(1.0, is_deaf=True, nf4=9.0, pause=9.0)
    with pytest.raises(NotEnoughMemory, match="although workers were asked"):
        gpu.make_room(8.0, Room.NF4, Room.PAUSE)
    assert gpu.asked == [Room.NF4, Room.PAUSE]
    assert 2 * ROOM_SECONDS <= gpu.seconds < 2.1 * ROOM_SECONDS


def test_a_process_that_goes_on_keeps_what_its_predecessor_asked_for() -> None:
    gpu = Gpu(0.0, nf4=7.0, pause=9.0)
    gpu.ask(Room.NF4)
    assert gpu.make_room(7.0, Room.NF4, Room.PAUSE, asked=Room.NF4) is Room.NF4
    assert gpu.asked == [Room.NF4]
    assert gpu.make_room(8.0, Room.NF4, Room.PAUSE, asked=Room.NF4) is Room.PAUSE
    assert gpu.asked == [Room.NF4, Room.PAUSE]


def test_training_that_does_not_fit_is_one_sentence_with_both_numbers() -> None:
    gpu = Gpu(1.0, nf4=2.0)
    with pytest.raises(NotEnoughMemory, match=r"needs 8\.0 GiB .* 3\.0 are free, although workers .*; close other"):
        gpu.make_room(8.0, Room.NF4)


def test_nobody_waits_for_workers_that_are_not_there() -> None:
    seconds = 0.0

    def sleep(passed: float) -> None:
        nonlocal seconds
        seconds += passed

    with pytest.raises(NotEnoughMemory, match=r"1\.0 are free; close other"):
        make_room(
            8 * GIB,
            (Room.NF4, Room.PAUSE),
            free=lambda: GIB,
            workers=lambda: [],
            ask=lambda _: pytest.fail("nobody is there to ask"),
            is_stop_wanted=lambda: False,
            now=lambda: seconds,
            sleep=sleep,
        )
    assert seconds == 0


@pytest.mark.parametrize(("free_gib", "own_gib", "share"), [(20, 0, 0.19), (20, 10, 0.29), (0, 0, 0.0), (101, 0, 1.0)])
def test_training_leaves_the_reserve_and_takes_the_rest_of_what_is_free(
    free_gib: int, own_gib: int, share: float
) -> None:
    assert capped_share(free_gib * GIB, own_gib * GIB, 100 * GIB, reserve_gib=1.0) == pytest.approx(share)


def test_nobody_is_asked_where_the_configuration_forbids_it() -> None:
    assert SharingConfig().rooms == (Room.NF4, Room.PAUSE)
    assert SharingConfig(may_fall_to_nf4=False).rooms == (Room.PAUSE,)
    assert SharingConfig(may_fall_to_nf4=False, may_pause=False).rooms == ()
    gpu = Gpu(1.0, nf4=9.0)
    with pytest.raises(NotEnoughMemory, match=r"1\.0 are free; close other"):
        gpu.make_room(8.0)
    assert gpu.asked == []


def test_somebody_who_asks_to_end_is_not_kept_waiting() -> None:
    gpu = Gpu(1.0)
    gpu.loads_until = 40.0
    gpu.make_room(8.0, Room.NF4, is_stop_wanted=True)
    assert gpu.seconds == 0


@pytest.mark.parametrize(
    ("name", "value"), [("reserve_gib", -1.0), ("busy_share", 0.0), ("busy_share", 1.1), ("busy_share", float("nan"))]
)
def test_impossible_sharing_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"{name} = .* is out of range"):
        SharingConfig(**{name: value})


class Beside:
    """A clock that a micro-batch and a rest move on, and others who may be busy."""

    def __init__(self, share: float) -> None:
        self.seconds, self.rested, self.num_settled = 0.0, 0.0, 0
        self.is_busy = True
        self.stops_at = math.inf
        self.breather = Breather(
            share,
            settle=self.settle,
            is_busy=lambda: self.is_busy,
            is_stop_wanted=lambda: self.seconds >= self.stops_at,
            now=lambda: self.seconds,
            sleep=self.rest,
        )

    def settle(self) -> None:
        self.num_settled += 1

    def rest(self, seconds: float) -> None:
        self.seconds += seconds
        self.rested += seconds

    def work(self, num_batches: int, *, seconds: float = 1.0) -> None:
        for _ in range(num_batches):
            self.seconds += seconds
            self.breather()


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_training_takes_its_share_of_the_time_while_others_are_busy(share: float) -> None:
    beside = Beside(share)
    beside.work(20)
    assert 20 / beside.seconds == pytest.approx(share)
    assert beside.num_settled == (20 if share < 1 else 0), "a device that still works is no rest for others"


def test_training_does_not_rest_while_nobody_else_works() -> None:
    beside = Beside(0.25)
    beside.is_busy = False
    beside.work(1, seconds=LOOK_SECONDS)
    beside.rested = 0.0
    beside.work(20)
    assert beside.rested == 0
    beside.is_busy = True
    beside.work(4)
    assert beside.rested > 0


def test_no_long_rest_follows_what_was_no_micro_batch() -> None:
    beside = Beside(0.25)
    beside.work(1, seconds=600.0)  # a model that loads, a measurement
    assert beside.rested <= 3 * MAX_WORK_SECONDS


def test_a_rest_ends_soon_after_somebody_asks_to_end() -> None:
    beside = Beside(0.25)
    beside.stops_at = 5.0
    beside.work(1, seconds=4.0)
    assert beside.seconds <= 5.0 + NAP_SECONDS
