"""Lets a training rest between micro-batches, so that whoever serves from the same GPU gets its time.

A GPU gives two processes turns of some milliseconds while both have work, whatever priority they have; resting is the
only thing that leaves it to the other. It does not know who works beside it.
"""

import time
from collections.abc import Callable

LOOK_SECONDS = 2.0
NAP_SECONDS = 0.5  # whoever wants it to end is heard between two
MAX_WORK_SECONDS = 5.0  # of one micro-batch; what took longer was no micro-batch (a model that loads, a measurement)


class Breather:
    """Rests after each micro-batch while others are busy, so that working takes `share` of the time (0 to 1, not 0).

    `settle` waits until the device has done what it was given. `is_busy` is asked every two seconds at most. A rest
    ends early when `is_stop_wanted` says so.
    """

    def __init__(
        self,
        share: float = 1.0,
        *,
        settle: Callable[[], None],
        is_busy: Callable[[], bool] = lambda: True,
        is_stop_wanted: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.share = share
        self._settle, self._is_busy, self._is_stop_wanted = settle, is_busy, is_stop_wanted
        self._now, self._sleep = now, sleep
        self._began = self._looked_at = now()
        self._are_others_busy = True

    def __call__(self) -> None:
        """Rest, if somebody else is busy."""
        if self.share < 1 and self._has_to_rest():
            self._settle()
            worked = min(self._now() - self._began, MAX_WORK_SECONDS)
            self._rest(worked * (1 - self.share) / self.share)
        self._began = self._now()

    def _rest(self, seconds: float) -> None:
        end = self._now() + seconds
        while (left := end - self._now()) > 0 and not self._is_stop_wanted():
            self._sleep(min(left, NAP_SECONDS))

    def _has_to_rest(self) -> bool:
        if self._now() - self._looked_at >= LOOK_SECONDS:
            self._are_others_busy, self._looked_at = self._is_busy(), self._now()
        return self._are_others_busy
