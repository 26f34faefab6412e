"""Which claimed requests are decoded together, and how many: pure decisions without queue, clock or model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from core.records import ClaimedRequest

RECOVERY_BATCHES = 20  # full batches that must fit before one more request is tried
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimit:
    """How many requests fit into one batch: halved when memory runs out, then raised again one by one.

    `full_batches` counts the batches of `current` requests that fitted since the last change.
    """

    current: int
    maximum: int
    full_batches: int = 0

    def after_out_of_memory(self, size: int) -> "BatchLimit":
        """Return the limit once a batch of `size` requests did not fit."""
        return replace(self, current=max(1, min(self.current, size // 2)), full_batches=0)

    def after_success(self, size: int) -> "BatchLimit":
        """Return the limit once a batch of `size` requests fitted."""
        if self.current == self.maximum or size < self.current:
            return self
        if self.full_batches + 1 < RECOVERY_BATCHES:
            return replace(self, full_batches=self.full_batches + 1)
        return replace(self, current=self.current + 1, full_batches=0)


def choose_batch(claims: Sequence[ClaimedRequest]) -> tuple[list[ClaimedRequest], list[ClaimedRequest]]:
    """Part `claims` (oldest first) into those to decode now and those to give back.

    A request that was tried before may be what brought its process down, so it is held alone: should it do so
    again, nobody else's request goes with it.
    """
    if claims and claims[0].attempt > 1:
        return [claims[0]], list(claims[1:])
    fresh = [claim for claim in claims if claim.attempt == 1]
    return fresh, [claim for claim in claims if claim.attempt > 1]


def halves(batch: Sequence[Item]) -> list[Sequence[Item]]:
    """Cut a batch of two or more in the middle, its order kept."""
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]
