"""What the doctor says of the live workers."""

from datetime import UTC, datetime

from app.serving_report import describe_serving
from core.records import WorkerState, WorkerStatus
from falcon.serving_metrics import Ending, ServingMetrics

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def worker(metrics: dict[str, object] | None, name: str = "w1") -> WorkerStatus:
    return WorkerStatus(id=name, state=WorkerState.READY, model=None, started_at=NOW, heartbeat_at=NOW, metrics=metrics)


def test_nobody_is_said_to_be_there() -> None:
    assert describe_serving([]) == "no worker is running"


def test_each_worker_has_its_numbers() -> None:
    metrics = ServingMetrics()
    metrics.set_load(num_rows=12, num_requests=3)
    metrics.count_step(0.02)
    metrics.count_joining(wait_seconds=0.005)
    for seconds in (1.2, 1.4):
        metrics.count_ending(Ending.DONE, seconds=seconds)
    assert describe_serving([worker(metrics.snapshot()), worker(ServingMetrics().snapshot(), "w2")]) == (
        "worker w1 (ready): 12 rows in use, 50.0 steps/s, queue wait p50 0.01 s, "
        "time to finish p50 1.25 s and p99 1.50 s; "
        "worker w2 (ready): 0 rows in use, no step yet, queue wait p50 unknown, "
        "time to finish p50 unknown and p99 unknown"
    )


def test_a_worker_without_readable_numbers_is_named_all_the_same() -> None:
    assert describe_serving([worker(None)]) == "worker w1 (ready): decodes batch after batch, which counts nothing"
    assert describe_serving([worker({"host": "here"})]) == describe_serving([worker(None)])
    assert describe_serving([worker({"num_rows": 1})]) == "worker w1 (ready): its numbers are of another release"


def test_a_worker_that_made_way_for_a_training_is_told_from_one_that_is_lost() -> None:
    assert describe_serving([worker({"host": "here", "is_paused": True})]) == (
        "worker w1 (ready): has left the GPU to a training, and comes back by itself"
    )
