"""Lets a training rest between micro-batches, so that whoever serves from the same GPU gets its time.

A GPU gives two processes turns of some milliseconds while both have work, whatever priority they have; resting is the
only thing that leaves it to the other. It knows no worker.
"""

import time
from collections.abc import Callable

import torch


class Breather:
    """Rests after each micro-batch for so long that working takes `share` of the time, more than 0 and at most 1."""

    def __init__(
        self,
        share: float = 1.0,
        *,
        device: torch.device,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.share = share
        self._device, self._now, self._sleep = device, now, sleep
        self._began = now()

    def __call__(self) -> None:
        """Rest, once the device has done what it was given."""
        if self.share < 1:
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            self._sleep((self._now() - self._began) * (1 - self.share) / self.share)
        self._began = self._now()
