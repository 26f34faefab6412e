"""What `mjprompt doctor` says of how the live workers serve. It knows neither the database nor the engine."""

from collections.abc import Sequence

from core.records import WorkerStatus
from falcon.serving_metrics import ServingSnapshot, read_snapshot


def describe_serving(workers: Sequence[WorkerStatus]) -> str:
    """Return one sentence a worker: what is inside, how fast it steps, how long requests wait and take."""
    if not workers:
        return "no worker is running"
    return "; ".join(f"worker {worker.id} ({worker.state.value}): {_describe(worker)}" for worker in workers)


def _describe(worker: WorkerStatus) -> str:
    if worker.is_paused:
        return "has left the GPU to a training, and comes back by itself"
    if worker.metrics is None or not worker.metrics.keys() - {"host"}:
        return "decodes batch after batch, which counts nothing"
    snapshot = read_snapshot(worker.metrics)
    if snapshot is None:
        return "its numbers are of another release"
    return ", ".join(_numbers(snapshot))


def _numbers(snapshot: ServingSnapshot) -> list[str]:
    wait, finish = snapshot.queue_wait_seconds, snapshot.finish_seconds
    speed = snapshot.steps_per_second
    return [
        f"{snapshot.num_rows} rows in use",
        "no step yet" if speed is None else f"{speed:.1f} steps/s",
        f"queue wait p50 {_seconds(wait.quantile(0.5))}",
        f"time to finish p50 {_seconds(finish.quantile(0.5))} and p99 {_seconds(finish.quantile(0.99))}",
    ]


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} s"
