"""The model's own thread."""

import asyncio
import threading
import time

import pytest

from core.errors import ModelError
from core.records import ModelInfo
from falcon.generator import Generated, GenerationRequest
from tests.worker.fakes import MODEL, FakeGenerator
from worker.engine_thread import EngineThread


def request(subject: str = "a cat") -> GenerationRequest:
    return GenerationRequest(
        id="1",
        subject=subject,
        parameters="",
        images=(),
        midjourney_version="8.2",
        num_candidates=2,
        is_cancelled=lambda: False,
    )


async def test_model_is_loaded_and_used_on_one_thread_that_is_not_the_loops() -> None:
    loaded_on: list[str] = []
    fake = FakeGenerator()

    def load() -> FakeGenerator:
        loaded_on.append(threading.current_thread().name)
        return fake

    engine = EngineThread(load)
    assert await engine.start() == MODEL
    for _ in range(3):
        (answer,) = await engine.generate([request()])
        assert [draft.text for draft in answer.candidates] == ["a cat, idea 1", "a cat, idea 2"]
    assert await engine.stop(timeout_seconds=5)
    assert loaded_on == ["model"]
    assert fake.threads == {"model"}
    assert not engine.is_alive


async def test_event_loop_turns_while_the_model_works() -> None:
    engine = EngineThread(lambda: FakeGenerator(delay_seconds=0.3))
    await engine.start()
    turns = 0
    decoding = asyncio.create_task(engine.generate([request()]))
    while not decoding.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5
    await engine.stop(timeout_seconds=5)


async def test_what_loading_raises_reaches_the_caller() -> None:
    def load() -> FakeGenerator:
        raise ModelError("there is no model")

    engine = EngineThread(load)
    with pytest.raises(ModelError, match="there is no model"):
        await engine.start()
    assert await engine.stop(timeout_seconds=5)


async def test_thread_survives_a_crash_in_the_model() -> None:
    engine = EngineThread(lambda: FakeGenerator(num_crashes=1))
    await engine.start()
    with pytest.raises(RuntimeError, match="crashed"):
        await engine.generate([request()])
    assert len(await engine.generate([request()])) == 1
    await engine.stop(timeout_seconds=5)


async def test_thread_that_is_busy_to_the_last_is_left_behind() -> None:
    class Stuck:
        info: ModelInfo = MODEL
        settings: dict[str, object] = {}  # noqa: RUF012

        def generate(self, requests: object) -> list[Generated]:
            time.sleep(0.5)
            return []

    engine = EngineThread(Stuck)
    await engine.start()
    decoding = asyncio.create_task(engine.generate([request()]))
    await asyncio.sleep(0.05)
    assert not await engine.stop(timeout_seconds=0.05)
    assert await decoding == []
