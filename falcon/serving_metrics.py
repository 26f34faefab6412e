"""How the running batch goes: what is inside, how fast it steps, how long requests wait and take.

The model's thread counts, any other thread takes a snapshot: plain JSON values that another process can read back.
It does not know the engine, and nothing of how the numbers are stored or shown.
"""

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

# Upper bounds of the histograms' buckets, in seconds; above the last one there is one more bucket.
STEP_BOUNDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
WAIT_BOUNDS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5),
    *(10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0),
)


class Ending(StrEnum):
    """How a request left the batch."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Observed seconds: `counts` has one bucket per bound of `bounds` (inclusive) and one above the last."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Estimate what `share` (0 to 1) of the observations stay within; None where there are none.

        Within a bucket the observations are taken to lie evenly; above the last bound that bound is returned.
        """
        rank, below = share * self.count, 0
        for (lower, upper), count in zip(pairwise((0.0, *self.bounds)), self.counts, strict=False):
            if count and below + count >= rank:
                return lower + (upper - lower) * (rank - below) / count
            below += count
        return self.bounds[-1] if self.count else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingSnapshot:
    """The numbers at one moment; counters and histograms reach back to the start of the process.

    `queue_wait_seconds` is from submitting to joining the batch, `finish_seconds` from submitting to the answer of
    those that were done.
    """

    num_rows: int
    num_requests: int
    num_tokens: int
    endings: Mapping[Ending, int]
    step_seconds: Histogram
    queue_wait_seconds: Histogram
    finish_seconds: Histogram

    @property
    def num_steps(self) -> int:
        return self.step_seconds.count

    @property
    def steps_per_second(self) -> float | None:
        """Steps a second of stepping, idle time left out; None before the first."""
        return self.num_steps / self.step_seconds.sum if self.step_seconds.sum > 0 else None


class ServingMetrics:
    """The counters of one running generator. Counting takes microseconds and waits for no other thread for longer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_rows = self._num_requests = self._num_tokens = 0
        self._endings = dict.fromkeys(Ending, 0)
        self._steps = _Observations(STEP_BOUNDS)
        self._waits = _Observations(WAIT_BOUNDS)
        self._finishes = _Observations(WAIT_BOUNDS)

    def set_load(self, *, num_rows: int, num_requests: int) -> None:
        """Say how many rows of the batch are in use and how many requests are inside, those that wait included."""
        with self._lock:
            self._num_rows, self._num_requests = num_rows, num_requests

    def count_step(self, seconds: float) -> None:
        """Count one step of the batch that took `seconds`."""
        with self._lock:
            self._steps.add(seconds)

    def count_tokens(self, num_tokens: int) -> None:
        """Count tokens that were written, of all beams."""
        with self._lock:
            self._num_tokens += num_tokens

    def count_joining(self, *, wait_seconds: float) -> None:
        """Count a request that joins the batch `wait_seconds` after it was submitted."""
        with self._lock:
            self._waits.add(wait_seconds)

    def count_ending(self, ending: Ending, *, seconds: float) -> None:
        """Count a request that leaves the batch `seconds` after it was submitted."""
        with self._lock:
            self._endings[ending] += 1
            if ending is Ending.DONE:
                self._finishes.add(seconds)

    def snapshot(self) -> dict[str, object]:
        """Return the numbers as plain JSON values, for `read_snapshot`."""
        with self._lock:
            return {
                "num_rows": self._num_rows,
                "num_requests": self._num_requests,
                "num_tokens": self._num_tokens,
                "endings": {str(ending): count for ending, count in self._endings.items()},
                "step_seconds": self._steps.as_dict(),
                "queue_wait_seconds": self._waits.as_dict(),
                "finish_seconds": self._finishes.as_dict(),
            }


def read_snapshot(values: Mapping[str, Any]) -> ServingSnapshot | None:
    """Read what `ServingMetrics.snapshot` returned; None where another release wrote it in another form."""
    try:
        return ServingSnapshot(
            num_rows=int(values["num_rows"]),
            num_requests=int(values["num_requests"]),
            num_tokens=int(values["num_tokens"]),
            endings={ending: int(values["endings"][ending]) for ending in Ending},
            step_seconds=_read_histogram(values["step_seconds"]),
            queue_wait_seconds=_read_histogram(values["queue_wait_seconds"]),
            finish_seconds=_read_histogram(values["finish_seconds"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _read_histogram(values: Mapping[str, Any]) -> Histogram:
    bounds = tuple(float(bound) for bound in values["bounds"])
    counts = tuple(int(count) for count in values["counts"])
    if not bounds or len(counts) != len(bounds) + 1:
        raise ValueError(f"{len(counts)} counts do not go with {len(bounds)} bounds")
    return Histogram(bounds=bounds, counts=counts, sum=float(values["sum"]))


class _Observations:
    """A histogram while it fills; its owner holds the lock."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def as_dict(self) -> dict[str, object]:
        return {"bounds": list(self._bounds), "counts": list(self._counts), "sum": self._sum}
