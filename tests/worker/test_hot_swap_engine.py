"""Swaps while the real engine decodes, with a tiny Falcon and three adapters of it."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from core.cycles import AdapterFiles, ServingPlan
from core.settings import load_settings
from falcon.adapter_files import ADAPTER_CONFIG
from falcon.decode_config import read_decode_config
from falcon.engine_generator import EngineGenerator
from falcon.generator import AdapterHost, GenerationRequest
from falcon.loading import load_model
from falcon.serving import build_engine_generator
from tests.falcon.test_adapters import write_adapter
from tests.falcon.tiny_falcon import change_json
from tests.trainer.tiny_adapter import write_speaking_falcon
from tests.worker.adapter_fakes import FakeRegistry
from worker.adapter_check import require_intact
from worker.adapter_vetting import AdapterVetting
from worker.engine_thread import EngineThread
from worker.hot_swap import HotSwap
from worker.served_adapters import ServedAdapters

NAMES = ("a", "b", "c")
SUBJECTS = ("a red fox", "a lighthouse at night")
NUM_PEOPLE, NUM_REQUESTS = 4, 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swaps")
    for name, alpha in zip(NAMES, (8, 24, -8), strict=True):  # the same weights, but for how far they go
        change_json(write_adapter(folder / name) / ADAPTER_CONFIG, lora_alpha=alpha)
    return write_speaking_falcon(folder / "base").parent


@pytest.fixture(scope="module")
def generator(folder: Path) -> EngineGenerator:
    settings = load_settings(_env_file=None, model_id=str(folder / "base"), precision="fp32")
    config = read_decode_config(settings.decode_config)
    short = replace(config.beam_search, num_beams=2, num_beam_groups=1, min_new_tokens=2, max_new_tokens=6)
    return build_engine_generator(load_model(settings), replace(config, beam_search=short), settings)


@pytest.fixture
async def engine(generator: EngineGenerator) -> AsyncIterator[EngineThread]:
    one = EngineThread(lambda: generator)
    await one.start()
    yield one
    assert await one.stop(timeout_seconds=10)


def asked(name: str, subject: str, adapter: str | None) -> GenerationRequest:
    return GenerationRequest(
        id=name,
        subject=subject,
        parameters="",
        images=(),
        midjourney_version="8.2",
        num_candidates=1,
        is_cancelled=lambda: False,
        adapter=adapter,
        seed=1,
    )


def test_the_engine_hosts_adapters(generator: EngineGenerator) -> None:
    assert isinstance(generator, AdapterHost)
    assert generator.num_adapter_slots == 2


async def test_each_of_100_answers_between_swaps_is_that_of_its_adapter_alone(
    generator: EngineGenerator, engine: EngineThread, folder: Path
) -> None:
    alone: dict[tuple[str | None, str], str] = {}

    async def answer(name: str, subject: str, adapter: str | None) -> str:
        [generated] = await engine.generate([asked(name, subject, adapter)])
        return generated.candidates[0].text

    for adapter in (None, *NAMES):
        if adapter is not None:
            generator.load_adapter(adapter, folder / adapter)
        for subject in SUBJECTS:
            alone[adapter, subject] = await answer("alone", subject, adapter)
        if adapter is not None:
            generator.unload_adapter(adapter)
    assert len(set(alone.values())) == len(alone), "adapters that write the same would prove nothing"

    served = ServedAdapters()
    settings = load_settings(_env_file=None, model_id=str(folder / "base"))
    swap = HotSwap(engine, served, AdapterVetting(FakeRegistry(), partial(require_intact, settings=settings)))

    async def ask_in_turn(person: int) -> list[bool]:
        found = []
        for number, subject in zip(range(NUM_REQUESTS), itertools.cycle(SUBJECTS)):
            name = f"{person}-{number}"
            with served.used_by([name]) as [adapter]:
                found.append(await answer(name, subject, adapter) == alone[adapter, subject])
        return found

    def files(name: str) -> AdapterFiles:
        return AdapterFiles(id=name, folder=str(folder / name), sha256=None)

    asking = asyncio.gather(*[ask_in_turn(person) for person in range(NUM_PEOPLE)])
    seen = set()
    for active, canary in itertools.cycle([("a", "b"), ("b", "c"), ("a", "c"), ("c", "b")]):
        await swap.follow(ServingPlan(active=files(active), canary=files(canary), canary_share=0.5))
        seen.add(served.lineup.active)
        if asking.done():
            break
    assert [right for found in await asking for right in found] == [True] * NUM_PEOPLE * NUM_REQUESTS
    assert len(seen) > 1
    await swap.follow(ServingPlan())
    assert generator.num_inside == 0
