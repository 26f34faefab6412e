"""The numbers of the live workers and of the queue as Prometheus text.

It knows the metrics' names and nothing of HTTP. Counters and histograms begin anew with each worker process.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from bot.service import ServiceStatus
from core.records import WorkerState
from falcon.serving_metrics import Histogram, ServingSnapshot, read_snapshot

Snapshots = Sequence[tuple[str, ServingSnapshot]]  # with the worker's id


def render(status: ServiceStatus) -> bytes:
    """Return what a scraper of Prometheus reads; a worker without a running batch is only counted."""
    registry = CollectorRegistry()
    registry.register(_Collected(status))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, status: ServiceStatus) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        yield _queue_length(self._status.queue_length)
        yield _workers(self._status)
        read = [(worker.id, read_snapshot(worker.metrics)) for worker in self._status.workers if worker.metrics]
        snapshots = [(worker_id, snapshot) for worker_id, snapshot in read if snapshot is not None]
        yield from _gauges(snapshots)
        yield from _counters(snapshots)
        yield from _histograms(snapshots)


def _queue_length(length: int) -> Metric:
    help_ = "Requests that wait or are being answered, of everybody."
    return GaugeMetricFamily("mjprompt_queue_length", help_, value=length)


def _workers(status: ServiceStatus) -> Metric:
    family = GaugeMetricFamily("mjprompt_workers", "Live workers, by what they say of themselves.", labels=["state"])
    states = [worker.state for worker in status.workers]
    for state in WorkerState:
        family.add_metric([state.value], states.count(state))
    return family


def _gauges(snapshots: Snapshots) -> Iterator[Metric]:
    rows = GaugeMetricFamily("mjprompt_rows_in_use", "Rows (beams) of the running batch in use.", labels=["worker"])
    inside = GaugeMetricFamily("mjprompt_requests_inside", "Requests inside the engine.", labels=["worker"])
    for worker_id, snapshot in snapshots:
        rows.add_metric([worker_id], snapshot.num_rows)
        inside.add_metric([worker_id], snapshot.num_requests)
    yield from (rows, inside)


def _counters(snapshots: Snapshots) -> Iterator[Metric]:
    steps = CounterMetricFamily("mjprompt_steps", "Steps of the running batch.", labels=["worker"])
    tokens = CounterMetricFamily("mjprompt_tokens_written", "Tokens written, of all beams.", labels=["worker"])
    requests = CounterMetricFamily(
        "mjprompt_requests", "Requests that left the engine, by outcome.", labels=["worker", "outcome"]
    )
    for worker_id, snapshot in snapshots:
        steps.add_metric([worker_id], snapshot.num_steps)
        tokens.add_metric([worker_id], snapshot.num_tokens)
        for ending, count in snapshot.endings.items():
            requests.add_metric([worker_id, ending.value], count)
    yield from (steps, tokens, requests)


def _histograms(snapshots: Snapshots) -> Iterator[Metric]:
    steps = HistogramMetricFamily("mjprompt_step_seconds", "How long a step takes.", labels=["worker"])
    waits = HistogramMetricFamily(
        "mjprompt_engine_wait_seconds", "How long requests wait inside the engine to join.", labels=["worker"]
    )
    finishes = HistogramMetricFamily(
        "mjprompt_finish_seconds", "How long answered requests were inside the engine.", labels=["worker"]
    )
    for worker_id, snapshot in snapshots:
        _add(steps, worker_id, snapshot.step_seconds)
        _add(waits, worker_id, snapshot.queue_wait_seconds)
        _add(finishes, worker_id, snapshot.finish_seconds)
    yield from (steps, waits, finishes)


def _add(family: HistogramMetricFamily, worker_id: str, histogram: Histogram) -> None:
    bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
    family.add_metric([worker_id], buckets=buckets, sum_value=histogram.sum)
