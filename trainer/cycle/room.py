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
    ask: Callable[[Room], None],
    is_stop_wanted: Callable[[], bool],
    room_seconds: float = ROOM_SECONDS,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Room | None:
    """Wait until `needed_bytes` are free, asking for one of `rooms` after the other; return the last that was asked.

    It returns as well when somebody asked to end.

    Raises:
        NotEnoughMemory: not even the last of them was enough.
    """
    asked: Room | None = None
    for room in (None, *rooms):
        if room is not None:
            log.info("cycle.asks_for_room", room=room.value, needed_gib=_gib(needed_bytes), free_gib=_gib(free()))
            ask(room)
            asked = room
        deadline = now() + (room_seconds if room is not None else 0.0)
        while free() < needed_bytes and now() < deadline and not is_stop_wanted():
            sleep(LOOK_SECONDS)
        if free() >= needed_bytes or is_stop_wanted():
            return asked
    raise NotEnoughMemory(
        f"Training needs {_gib(needed_bytes)} GiB of the GPU in its smallest form, and {_gib(free())} are free"
        f"{', although workers were asked for room' if rooms else ''}; close other programs that use the GPU, "
        f"or lower r in the recipe."
    )


def _gib(size: float) -> float:
    return round(size / GIB, 1)
