"""Numbers of a run and the line that reports them."""

import gc
import json
import math
import time
from collections.abc import Sequence

import psutil

from benchmarks.machine import describe_machine

SETTING = "bot and fakes share the machine's cores; addresses on loopback"


def steady() -> None:
    """Keep this process's own garbage collector from holding the fakes up, which would count as the bot's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the largest in ms; the p-th percentile is the smallest value that p % do not exceed."""
    ordered = sorted(seconds)
    row = {f"p{p}_ms": _ms(ordered[max(0, math.ceil(p / 100 * len(ordered)) - 1)]) for p in (50, 95, 99)}
    return {**row, "max_ms": _ms(ordered[-1])}


class Neighbours:
    """How much of the machine others took while a run lasted: what was measured beside them is no better than that."""

    def __init__(self, *ours: psutil.Process) -> None:
        self._ours = ours
        self._started = time.perf_counter()
        self._busy, self._own = self._now()

    def percent_of_a_core(self) -> float:
        """Return what other processes used since the beginning, in percent of one core."""
        busy, own = self._now()
        others = (busy - self._busy) - (own - self._own)
        return round(max(0.0, others) / (time.perf_counter() - self._started) * 100, 1)

    def _now(self) -> tuple[float, float]:
        """Return the processor seconds of the whole machine and of our own processes so far."""
        times = psutil.cpu_times()
        busy = times.user + times.nice + times.system
        every = {process for root in self._ours for process in (root, *root.children(recursive=True))}
        return busy, sum(sum(process.cpu_times()[:2]) for process in every)


def report(row: dict[str, object]) -> None:
    """Print one JSON line."""
    print(json.dumps({**row, "setting": SETTING, "machine": describe_machine()}), flush=True)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
