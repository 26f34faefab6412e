"""A dictionary that forgets its oldest entries, so that a long run does not grow."""

from collections.abc import Iterator
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


class History(Generic[Kept]):
    """Entries by key, oldest first; at most `limit` of them, or all when `limit` is None."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._entries: dict[str, Kept] = {}

    def add(self, key: str, entry: Kept) -> None:
        """Keep `entry`, and forget the oldest one when there are too many."""
        self._entries[key] = entry
        if self._limit is not None and len(self._entries) > self._limit:
            del self._entries[next(iter(self._entries))]

    def get(self, key: str) -> Kept | None:
        return self._entries.get(key)

    def __iter__(self) -> Iterator[Kept]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)
