"""What happened a moment ago, in memory and bounded: the oldest entries make room. It knows no platform."""

from collections.abc import Hashable
from typing import Generic, TypeVar

DOUBLE_CLICK_SECONDS = 2.0
MAX_PRESSES = 4096

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The `size` newest entries of all that were remembered."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: dict[K, V] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def remember(self, key: K, value: V) -> V | None:
        """Keep `value` as the newest entry; return what was kept for `key` before, None if nothing was."""
        before = self._entries.pop(key, None)
        self._entries[key] = value
        if len(self._entries) > self._size:
            del self._entries[next(iter(self._entries))]
        return before


class RecentPresses:
    """Tells the second press of somebody who presses twice in a row, where each press would ask anew."""

    def __init__(self) -> None:
        self._pressed_at: Recent[tuple[str, ...], float] = Recent(MAX_PRESSES)

    def is_double(self, *press: str, at_seconds: float) -> bool:
        """Remember a press at a moment of any one clock; tell whether the same one came a moment before."""
        before = self._pressed_at.remember(press, at_seconds)
        return before is not None and abs(at_seconds - before) < DOUBLE_CLICK_SECONDS
