"""What a scraper of Prometheus reads, and how it gets in."""

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.records import ModelInfo, WorkerState
from falcon.serving_metrics import Ending, ServingMetrics
from storage import workers
from tests.bot.conftest import MakeSettings, Site, ask, running_site

MODEL = ModelInfo(base="pocket", adapter=None, precision="fp32", device="cpu")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def counted() -> ServingMetrics:
    metrics = ServingMetrics()
    metrics.set_load(num_rows=12, num_requests=3)
    metrics.count_step(0.004)
    metrics.count_step(0.008)
    metrics.count_tokens(24)
    metrics.count_joining(wait_seconds=0.04)
    metrics.count_ending(Ending.DONE, seconds=1.25)
    metrics.count_ending(Ending.CANCELLED, seconds=0.5)
    return metrics


async def announce(site: Site, worker_id: str, metrics: dict[str, object]) -> None:
    async with site.database.write() as session:
        await workers.announce(session, worker_id, WorkerState.READY, MODEL, metrics=metrics)


async def scrape(client: aiohttp.ClientSession) -> Samples:
    async with client.get("/metrics") as reply:
        assert reply.status == 200
        assert reply.headers["Content-Type"].startswith("text/plain; version=")
        assert reply.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in reply.headers, "a scraper is no visitor"
        text = await reply.text()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_each_workers_numbers_carry_its_name(site: Site, browser: aiohttp.ClientSession) -> None:
    await announce(site, "w1", counted().snapshot())
    await announce(site, "w2", ServingMetrics().snapshot())
    samples = await scrape(browser)
    assert of(samples, "mjprompt_rows_in_use", worker="w1") == 12
    assert of(samples, "mjprompt_requests_inside", worker="w1") == 3
    assert of(samples, "mjprompt_steps_total", worker="w1") == 2
    assert of(samples, "mjprompt_tokens_written_total", worker="w1") == 24
    outcomes = {
        ending.value: of(samples, "mjprompt_requests_total", worker="w1", outcome=ending.value) for ending in Ending
    }
    assert outcomes == {"done": 1, "cancelled": 1, "failed": 0, "out_of_memory": 0}
    assert of(samples, "mjprompt_rows_in_use", worker="w2") == 0


async def test_histograms_have_rising_buckets_that_end_with_all(site: Site, browser: aiohttp.ClientSession) -> None:
    await announce(site, "w1", counted().snapshot())
    samples = await scrape(browser)
    names = ("mjprompt_step_seconds", "mjprompt_engine_wait_seconds", "mjprompt_finish_seconds")
    for name, count, total in zip(names, (2, 1, 1), (0.012, 0.04, 1.25), strict=True):
        buckets = {dict(labels)["le"]: value for (found, labels), value in samples.items() if found == f"{name}_bucket"}
        in_order = [buckets[bound] for bound in sorted(buckets, key=float)]
        assert len(in_order) > 10
        assert in_order == sorted(in_order)
        assert buckets["+Inf"] == of(samples, f"{name}_count", worker="w1") == count
        assert of(samples, f"{name}_sum", worker="w1") == pytest.approx(total)
    steps = {labels: value for (name, labels), value in samples.items() if name == "mjprompt_step_seconds_bucket"}
    assert steps[frozenset({("worker", "w1"), ("le", "0.005")})] == 1


async def test_queue_and_workers_are_counted_where_nobody_tells_more(
    site: Site, browser: aiohttp.ClientSession
) -> None:
    site.worker.pause()
    await ask(browser, "a boy")
    await announce(site, "of another release", {"num_rows": 7})
    samples = await scrape(browser)
    assert of(samples, "mjprompt_queue_length") == 1
    states = {state.value: of(samples, "mjprompt_workers", state=state.value) for state in WorkerState}
    assert states == {"loading": 0, "ready": 2, "draining": 0}, "the fake worker and the one that cannot be read"
    assert not any(name == "mjprompt_rows_in_use" for name, _ in samples)


async def test_numbers_are_behind_the_same_doors_as_the_chat(make_settings: MakeSettings) -> None:
    async with running_site(make_settings(web_password="a-secret")) as site, site.browser() as client:
        async with client.get("/metrics") as reply:
            assert reply.status == 401
        scraper = {"Authorization": aiohttp.BasicAuth("prometheus", "a-secret").encode()}
        async with client.get("/metrics", headers=scraper) as reply:
            assert reply.status == 200
        async with client.get("/metrics", headers={**scraper, "Host": "evil.example"}) as reply:
            assert reply.status == 403
