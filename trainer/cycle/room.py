"""Room on the GPU for a cycle's training: what is free beside the workers first, then what they can give.

Workers are asked through the database and answer by giving memory back, which is measured; nobody trusts a number that
another process said. It trains nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.cycles import Room
from core.errors import ConfigError, NotEnoughMemory
from core.logs import get_logger
from core.records import WorkerState, WorkerStatus

GIB = 2**30  # not falcon.memory's: that brings torch, and chats read the configuration
ROOM_SECONDS = 120.0  # a worker finishes what it holds (30 s), and another form of its model is loaded
LOOK_SECONDS = 1.0
log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingConfig:
    """How a training shares a GPU with workers: `reserve_gib` are left free, and what workers may be asked for.

    `busy_share` is the part of the time (more than 0, at most 1) that it works while requests are open; it rests for
    the remainder (trainer/breather.py).
    """

    reserve_gib: float = 1.0
    may_fall_to_nf4: bool = True
    may_pause: bool = True
    busy_share: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.reserve_gib <= 1000:  # a comparison with NaN is false, so NaN never passes
            raise ConfigError(f"reserve_gib = {self.reserve_gib} is out of range; set 0 to 1000.")
        if not 0 < self.busy_share <= 1:
            raise ConfigError(f"busy_share = {self.busy_share} is out of range; set more than 0, at most 1.")

    @property
    def rooms(self) -> tuple[Room, ...]:
        """Return what may be asked of workers, the least first."""
        asked = ((Room.NF4, self.may_fall_to_nf4), (Room.PAUSE, self.may_pause))
        return tuple(room for room, may in asked if may)


def make_room(
    needed_bytes: int,
    rooms: Sequence[Room],
    *,
    free: Callable[[], int],
    workers: Callable[[], Sequence[WorkerStatus]],
    ask: Callable[[Room], None],
    asked: Room | None = None,
    is_stop_wanted: Callable[[], bool],
    room_seconds: float = ROOM_SECONDS,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Room | None:
    """Wait until `needed_bytes` are free, asking for one of `rooms` after the other; return the last that was asked.

    `asked` is what a process that died has asked for already. `workers` are those that may share the GPU: memory is
    looked at once none of them is on its way to take more, or has had `room_seconds`. It returns as well when somebody
    asked to end.

    Raises:
        NotEnoughMemory: not even the last of them was enough.
    """
    has_workers = bool(workers())
    for room in _way(asked, rooms if has_workers else ()):
        if room is not asked and room is not None:
            log.info("cycle.asks_for_room", room=room.value, needed_gib=_gib(needed_bytes), free_gib=_gib(free()))
            ask(room)
        deadline = now() + room_seconds
        while not _is_settled(workers(), room, has_workers) and now() < deadline and not is_stop_wanted():
            sleep(LOOK_SECONDS)
        if free() >= needed_bytes or is_stop_wanted():
            return room
    raise NotEnoughMemory(
        f"Training needs {_gib(needed_bytes)} GiB of the GPU in its smallest form, and {_gib(free())} are free"
        f"{', although workers were asked for room' if rooms and has_workers else ''}; close other programs that use "
        "the GPU, or lower r in the recipe."
    )


def _way(asked: Room | None, rooms: Sequence[Room]) -> tuple[Room | None, ...]:
    """Return what has been asked for, then whatever gives more."""
    return (asked, *(rooms[rooms.index(asked) + 1 :] if asked in rooms else rooms))


def _is_settled(workers: Sequence[WorkerStatus], room: Room | None, has_workers: bool) -> bool:
    """Say whether all workers have given `room`; while one starts anew there may be none for a moment."""
    if not workers:
        return not has_workers
    return all(_has_given(worker, room) for worker in workers)


def _has_given(worker: WorkerStatus, room: Room | None) -> bool:
    if worker.is_paused or room is Room.PAUSE:
        return worker.is_paused
    if worker.state is not WorkerState.READY or worker.model is None:
        return False
    return room is None or worker.model.precision == "nf4"


def capped_share(free: int, own: int, total: int, *, reserve_gib: float) -> float:
    """Return which share of a GPU of `total` bytes a process that holds `own` may take, so that the reserve is left."""
    return min(1.0, max(0.0, (free + own - reserve_gib * GIB) / total))


def _gib(size: float) -> float:
    return round(size / GIB, 1)
