"""Which adapter answers which request now, and who is still using which.

A request gets its adapter as it goes to the model and keeps it to its end. It does not know how adapters come into
memory, nor what the registry says.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_HASH_VALUES = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """What answers: `canary` a share of the requests (0 to 1), `active` the others; None is the base alone."""

    active: str | None = None
    canary: str | None = None
    canary_share: float = 0.0

    def adapter_for(self, request_id: str) -> str | None:
        """Return who answers a request; asked again, the same, for as long as the canary is."""
        if self.canary is not None and _position(request_id, self.canary) < self.canary_share:
            return self.canary
        return self.active


def _position(request_id: str, canary: str) -> float:
    """Return a request's place among all, 0 to 1, evenly spread and another for every canary."""
    digest = hashlib.sha256(f"{request_id}\0{canary}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / _HASH_VALUES


class ServedAdapters:
    """The line-up of this process, and how many requests use each adapter; for the event loop alone."""

    def __init__(self, lineup: Lineup | None = None) -> None:
        self.lineup = lineup or Lineup()
        self._num_users: Counter[str | None] = Counter()

    def num_users(self, adapter: str | None) -> int:
        """Return how many requests use an adapter, on their way to the model or inside."""
        return self._num_users[adapter]

    @contextmanager
    def used_by(self, request_ids: Sequence[str]) -> Iterator[list[str | None]]:
        """Give each request its adapter, which counts as used while the block runs."""
        chosen = [self.lineup.adapter_for(request_id) for request_id in request_ids]
        self._num_users.update(chosen)
        try:
            yield chosen
        finally:
            self._num_users.subtract(chosen)
