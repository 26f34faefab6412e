"""What the running batch counts, and what another process reads of it."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon.serving_metrics import STEP_BOUNDS, WAIT_BOUNDS, Ending, Histogram, ServingMetrics, read_snapshot


def counted() -> ServingMetrics:
    metrics = ServingMetrics()
    metrics.set_load(num_rows=12, num_requests=3)
    for seconds in (0.002, 0.004, 0.004):
        metrics.count_step(seconds)
    metrics.count_tokens(36)
    metrics.count_joining(wait_seconds=0.04)
    metrics.count_ending(Ending.DONE, seconds=1.2)
    metrics.count_ending(Ending.OUT_OF_MEMORY, seconds=9.0)
    return metrics


def test_a_snapshot_survives_json_and_says_what_was_counted() -> None:
    snapshot = read_snapshot(json.loads(json.dumps(counted().snapshot())))
    assert snapshot is not None
    assert (snapshot.num_rows, snapshot.num_requests, snapshot.num_steps, snapshot.num_tokens) == (12, 3, 3, 36)
    assert snapshot.endings == {Ending.DONE: 1, Ending.CANCELLED: 0, Ending.FAILED: 0, Ending.OUT_OF_MEMORY: 1}
    assert snapshot.steps_per_second == pytest.approx(300)
    assert snapshot.queue_wait_seconds.count == 1
    assert (snapshot.finish_seconds.count, snapshot.finish_seconds.sum) == (1, 1.2), "of those that were done alone"


def test_nothing_counted_has_no_speed_and_no_quantiles() -> None:
    snapshot = read_snapshot(ServingMetrics().snapshot())
    assert snapshot is not None
    assert snapshot.steps_per_second is None
    assert snapshot.finish_seconds.quantile(0.5) is None


def test_a_snapshot_does_not_change_afterwards() -> None:
    metrics = counted()
    before = metrics.snapshot()
    kept = json.dumps(before)
    metrics.count_step(1.0)
    metrics.count_ending(Ending.DONE, seconds=1.0)
    assert json.dumps(before) == kept


@pytest.mark.parametrize(
    "change",
    [
        {"num_rows": None},
        {"num_rows": "many"},
        {"endings": {"done": 1}},
        {"endings": []},
        {"step_seconds": {"bounds": [1.0], "counts": [1], "sum": 0.5}},
        {"step_seconds": {"bounds": [], "counts": [1], "sum": 0.5}},
        {"finish_seconds": {}},
    ],
)
def test_numbers_in_another_form_are_not_read(change: dict[str, object]) -> None:
    assert read_snapshot(counted().snapshot() | change) is None
    assert read_snapshot({}) is None


@pytest.mark.parametrize(("share", "value"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.75, 2.0), (1.0, 3.0)], ids=str)
def test_a_quantile_lies_evenly_within_its_bucket(share: float, value: float) -> None:
    histogram = Histogram(bounds=(1.0, 3.0), counts=(2, 2, 0), sum=6.0)
    assert histogram.quantile(share) == pytest.approx(value)


def test_a_quantile_above_the_last_bound_is_that_bound() -> None:
    assert Histogram(bounds=(1.0, 3.0), counts=(1, 0, 9), sum=99.0).quantile(0.99) == 3.0


@given(st.lists(st.floats(0.0, 400.0), min_size=1, max_size=50))
def test_half_of_what_was_observed_lies_in_the_medians_bucket_or_below(seconds: list[float]) -> None:
    metrics = ServingMetrics()
    for value in seconds:
        metrics.count_ending(Ending.DONE, seconds=value)
    snapshot = read_snapshot(metrics.snapshot())
    assert snapshot is not None
    median = snapshot.finish_seconds.quantile(0.5)
    assert median is not None
    upper = next((bound for bound in WAIT_BOUNDS if bound >= median), WAIT_BOUNDS[-1])
    if upper < WAIT_BOUNDS[-1]:
        assert sum(value <= upper for value in seconds) * 2 >= len(seconds)
    assert snapshot.finish_seconds.sum == pytest.approx(sum(seconds))


def test_bounds_rise() -> None:
    for bounds in (STEP_BOUNDS, WAIT_BOUNDS):
        assert list(bounds) == sorted(set(bounds))


def test_threads_that_count_and_read_at_once_lose_nothing() -> None:
    metrics = ServingMetrics()

    def count() -> None:
        for _ in range(2000):
            metrics.count_step(0.001)
            metrics.count_tokens(1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert read_snapshot(metrics.snapshot()) is not None
    snapshot = read_snapshot(metrics.snapshot())
    assert snapshot is not None
    assert (snapshot.num_steps, snapshot.num_tokens) == (8000, 8000)
