"""Room on a GPU is measured, and asked of workers only as far as it is needed."""

import pytest

from core.cycles import Room
from core.errors import ConfigError, NotEnoughMemory
from falcon.memory import GIB
from trainer.breather import LOOK_SECONDS, Breather
from trainer.cycle.room import SharingConfig, make_room


class Gpu:
    """A GPU whose workers give memory back when they are asked; time passes as somebody sleeps."""

    def __init__(self, free_gib: float, **given_gib: float) -> None:
        self._free, self._given = free_gib, given_gib
        self.asked: list[Room] = []
        self.seconds = 0.0

    def free(self) -> int:
        return int((self._free + sum(self._given.get(room.value, 0.0) for room in self.asked)) * GIB)

    def make_room(self, needed_gib: float, *rooms: Room, is_stop_wanted: bool = False) -> Room | None:
        return make_room(
            int(needed_gib * GIB),
            rooms,
            free=self.free,
            ask=self.asked.append,
            is_stop_wanted=lambda: is_stop_wanted,
            now=lambda: self.seconds,
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.mark.parametrize(
    ("free_gib", "asked"),
    [(8.0, []), (7.9, [Room.NF4]), (1.0, [Room.NF4]), (0.9, [Room.NF4, Room.PAUSE]), (0.0, [Room.NF4, Room.PAUSE])],
)
def test_workers_are_asked_for_no_more_than_is_needed(free_gib: float, asked: list[Room]) -> None:
    gpu = Gpu(free_gib, nf4=7.0, pause=7.0)
    assert gpu.make_room(8.0, Room.NF4, Room.PAUSE) == (asked[-1] if asked else None)
    assert gpu.asked == asked


def test_training_that_does_not_fit_is_one_sentence_with_both_numbers() -> None:
    gpu = Gpu(1.0, nf4=2.0)
    with pytest.raises(NotEnoughMemory, match=r"needs 8\.0 GiB .* 3\.0 are free, although workers .*; close other"):
        gpu.make_room(8.0, Room.NF4)
    assert gpu.seconds >= 120, "workers had their time"


def test_nobody_is_asked_where_the_configuration_forbids_it() -> None:
    assert SharingConfig().rooms == (Room.NF4, Room.PAUSE)
    assert SharingConfig(may_fall_to_nf4=False).rooms == (Room.PAUSE,)
    assert SharingConfig(may_fall_to_nf4=False, may_pause=False).rooms == ()
    with pytest.raises(NotEnoughMemory, match=r"1\.0 are free; close other"):
        Gpu(1.0, nf4=9.0).make_room(8.0)


def test_somebody_who_asks_to_end_is_not_kept_waiting() -> None:
    gpu = Gpu(1.0)
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
        self.breather = Breather(
            share, settle=self.settle, is_busy=lambda: self.is_busy, now=lambda: self.seconds, sleep=self.rest
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
