"""Measure what a person waits for: the shipped decoding settings behind the worker's port, on random weights."""

import statistics
import time
from collections.abc import Iterator

from benchmarks.decode_models import Models, Row, random_falcon, release
from benchmarks.decode_runs import load_tokenizer
from benchmarks.train_setting import read_pairs
from core.records import ModelInfo
from core.settings import Settings
from falcon.decode_config import read_decode_config
from falcon.engine_generator import EngineGenerator
from falcon.generator import Failure, GenerationRequest
from falcon.loading import LoadedModel
from falcon.serving import build_engine_generator

TOGETHER, QUICK_TOGETHER = 32, 2
NUM_CANDIDATES = 4


def measure_product(models: Models) -> Iterator[tuple[str, Row]]:
    """Yield the seconds of requests that come alone, and requests a second of many together."""
    setting = models.setting
    size = QUICK_TOGETHER if setting.is_quick else TOGETHER
    started = time.monotonic()
    generator = _build(models)
    building = time.monotonic() - started
    subjects = [pair.subject for pair in read_pairs(setting.data, "midjourney")[: 10 * size : 10]]
    requests = [_request(number, subject) for number, subject in enumerate(subjects)]
    num_warm_ups = 2 if setting.device.type == "cuda" else 1
    for _ in range(num_warm_ups):
        _seconds(generator, requests[:1])
    alone = [_seconds(generator, [request]) for request in requests[: setting.num_repeats]]
    search = read_decode_config(Settings(_env_file=None).decode_config).beam_search
    row: Row = {
        "rows": search.num_beams * search.num_beam_groups,
        "new_tokens": search.max_new_tokens,
        "runs": len(alone),
    }
    yield (
        "one request",
        {**row, "seconds": round(statistics.median(alone), 4), "building_seconds": round(building, 1)},
    )
    for _ in range(num_warm_ups):
        _seconds(generator, requests)
    together = [_seconds(generator, requests) for _ in range(min(3, setting.num_repeats))]
    seconds = statistics.median(together)
    yield (
        f"{size} requests together",
        {**row, "runs": len(together), "seconds": round(seconds, 4), "requests_per_second": round(size / seconds, 2)},
    )
    del generator
    release()


def _build(models: Models) -> EngineGenerator:
    setting = models.setting
    settings = Settings(_env_file=None, max_batch_requests=setting.num_seats)
    tokenizer = load_tokenizer(setting)
    info = ModelInfo(base=f"random-{setting.shape}", adapter=None, precision="bf16", device=setting.device.type)
    loaded = LoadedModel(random_falcon(setting), tokenizer, info)
    return build_engine_generator(loaded, read_decode_config(settings.decode_config), settings)


def _request(number: int, subject: str) -> GenerationRequest:
    return GenerationRequest(
        id=str(number),
        subject=subject,
        parameters="",
        images=(),
        midjourney_version=Settings(_env_file=None).midjourney_version,
        num_candidates=NUM_CANDIDATES,
        is_cancelled=lambda: False,
    )


def _seconds(generator: EngineGenerator, requests: list[GenerationRequest]) -> float:
    """Return the seconds from submitting all `requests` until the last is answered."""
    started = time.monotonic()
    for request in requests:
        generator.submit(request)
    while generator.num_inside:
        for outcome in generator.step():
            if isinstance(outcome, Failure):
                raise outcome.error
    return time.monotonic() - started
