"""Lets a training rest between micro-batches, so that whoever serves from the same GPU gets its time.

A GPU gives two processes turns of some milliseconds while both have work, whatever priority they have; resting is the
only thing that leaves it to the other. It does not know who works beside it.
"""

import time
from collections.abc import Callable

LOOK_SECONDS = 2.0


class Breather:
    """Rests after each micro-batch while others are busy, so that working takes `share` of the time (0 to 1, not 0).

    `settle` waits until the device has done what it was given. `is_busy` is asked every two seconds at most.
    """

    def __init__(
        self,
        share: float = 1.0,
        *,
        settle: Callable[[], None],
        is_busy: Callable[[], bool] = lambda: True,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.share = share
        self._settle, self._is_busy, self._now, self._sleep = settle, is_busy, now, sleep
        self._began = self._looked_at = now()
        self._are_others_busy = True

    def __call__(self) -> None:
        """Rest, if somebody else is busy."""
        if self.share < 1 and self._has_to_rest():
            self._settle()
            self._sleep((self._now() - self._began) * (1 - self.share) / self.share)
        self._began = self._now()

    def _has_to_rest(self) -> bool:
        if self._now() - self._looked_at >= LOOK_SECONDS:
            self._are_others_busy, self._looked_at = self._is_busy(), self._now()
        return self._are_others_busy
