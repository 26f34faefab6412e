"""What goes wrong for one request says so in one sentence, and touches nobody else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.errors import ConfigError, ModelError
from falcon.engine import Engine, EngineRequest
from falcon.step_runner import EagerSteps
from tests.falcon.engine_world import (
    Arrival,
    assert_nothing_inside,
    assert_same_answer,
    falcon_that_ends,
    make_engine,
    run,
    search_for,
)
from tests.falcon.test_adapters import write_adapter

NEVER_ENDS = -50.0
SPOILT = 6


def engine_of(
    num_seats: int = 3, *, is_late: bool = False, spoilt_position: int | None = None, adapter: Path | None = None
) -> Engine:
    return make_engine(
        falcon_that_ends(NEVER_ENDS),
        search_for(3, 4),
        num_seats=num_seats,
        is_late=is_late,
        spoilt_position=spoilt_position,
        adapters=None if adapter is None else {"style": adapter},
    )


def asked(name: str, length: int) -> EngineRequest:
    return EngineRequest(id=name, prompt=[2 + ord(name[0]) % 9] * length)


def assert_as_in_a_sound_engine(engine_of_one: Engine, request: EngineRequest, end: Any) -> None:
    [alone] = run(engine_of_one, [request]).values()
    assert_same_answer(end, alone)


def assert_one_sentence(error: Exception | None, *parts: str) -> None:
    message = str(error)
    assert message.endswith(".")
    assert "\n" not in message
    for part in parts:
        assert part in message


# ---- scores that are no numbers


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("length", [8, 7, 6, 5])
def test_request_without_numbers_fails_alone(length: int, is_late: bool) -> None:
    """The longer prompts read the spoilt position themselves, the shorter ones reach it while they write."""
    engine = engine_of(is_late=is_late, spoilt_position=SPOILT)
    ended = run(engine, [asked("a", 3), asked("broken", length), asked("c", 2), asked("d", 1)])
    assert isinstance(ended["broken"].error, ModelError)
    assert_one_sentence(ended["broken"].error, "no numbers")
    assert ended["broken"].groups == []
    for request in (asked("a", 3), asked("c", 2), asked("d", 1)):
        assert_as_in_a_sound_engine(engine_of(1), request, ended[request.id])
    endings: Any = engine.metrics.snapshot()["endings"]
    assert endings["failed"] == 1
    assert endings["done"] == 3
    assert_nothing_inside(engine)


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("cancelled_at", [None, 1, 2])
def test_next_owner_of_a_home_full_of_nan_is_sound(cancelled_at: int | None, is_late: bool) -> None:
    """Who is cancelled before its first step is looked at leaves NaN behind, and nobody knows."""
    engine = engine_of(1, is_late=is_late, spoilt_position=SPOILT)
    broken = Arrival(asked("broken", 8), cancelled_at=cancelled_at)
    ended = run(engine, [broken, asked("next", 1), asked("other", 3)])
    assert any(bool(layer.isnan().any()) for layer in engine.model.memory.layers)
    for request in (asked("next", 1), asked("other", 3)):
        assert_as_in_a_sound_engine(engine_of(1), request, ended[request.id])
    assert_nothing_inside(engine)


# ---- what is not taken in


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"prompt": []}, ["0 tokens", "1 to 8"]),
        ({"prompt": [2] * 9}, ["9 tokens", "1 to 8"]),
        ({"prompt": [14]}, ["vocabulary of 14"]),
        ({"prompt": [-1]}, ["vocabulary of 14"]),
        ({"prompt": [2], "subject": [14]}, ["vocabulary of 14"]),
        ({"prompt": [2], "avoided": [99]}, ["vocabulary of 14"]),
        ({"prompt": [2], "max_new_tokens": 0}, ["max_new_tokens = 0", "1 to 4"]),
        ({"prompt": [2], "max_new_tokens": 5}, ["max_new_tokens = 5", "1 to 4"]),
        ({"prompt": [2], "adapter": "style-9"}, ["style-9", "loaded are none"]),
        ({"prompt": [2], "seed": 2**63}, [str(2**63), "64 bits"]),
        ({"prompt": [2], "seed": -(2**63) - 1}, ["64 bits"]),
    ],
)
def test_bad_request_is_refused_with_a_sentence(given: dict[str, Any], parts: list[str]) -> None:
    engine = engine_of()
    with pytest.raises(ModelError) as caught:
        engine.submit(EngineRequest(id="bad", **given))
    assert_one_sentence(caught.value, *parts)
    assert_nothing_inside(engine)


@pytest.mark.parametrize("seed", [2**63 - 1, -(2**63), 0])
def test_every_seed_of_64_bits_is_taken(seed: int) -> None:
    engine = make_engine(falcon_that_ends(NEVER_ENDS), search_for(3, 4, is_stochastic=True))
    [end] = run(engine, [EngineRequest(id="one", prompt=[2], seed=seed)]).values()
    assert end.error is None


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"num_beams": 0}, "num_beams = 0"),
        ({"num_beams": 5, "num_beam_groups": 2}, "num_beams = 5"),
        ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences = 3"),
        ({"max_new_tokens": 0}, "max_new_tokens = 0"),
        ({"eos_token_id": -1}, "eos_token_id = -1"),
        ({"early_stopping": "sometimes"}, "sometimes"),
        ({"length_penalty": float("nan")}, "length_penalty = nan"),
        ({"diversity_penalty": -1.0}, "diversity_penalty = -1.0"),
        ({"diversity_penalty": 1.0, "is_stochastic": True}, "is_stochastic"),
    ],
)
def test_impossible_search_is_refused_with_a_sentence(given: dict[str, Any], part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        search_for(**given)
    assert_one_sentence(caught.value, part)


def test_texts_longer_than_the_model_are_refused() -> None:
    sound = engine_of()
    short = type(sound.model.weights)(
        **{
            name: getattr(sound.model.weights, name)
            for name in ("embedding", "layers", "final_norm", "num_heads", "head_size")
        },
        cos=sound.model.weights.cos[:10],
        sin=sound.model.weights.sin[:10],
    )
    sound.model.weights = short
    with pytest.raises(ModelError) as caught:
        Engine(sound.model, sound.search)
    assert_one_sentence(caught.value, "12 tokens", "model of 10", "max_new_tokens")


# ---- adapters that go away


def test_request_whose_adapter_was_unloaded_while_it_waited_fails_alone(tmp_path: Path) -> None:
    """It once failed the whole step, and everybody inside with it."""
    engine = engine_of(1, adapter=write_adapter(tmp_path / "style", hidden_size=32))
    engine.submit(asked("sitting", 2))
    engine.submit(EngineRequest(id="waiting", prompt=[3, 4], adapter="style"))
    engine.submit(asked("later", 2))
    assert engine.step() == []
    engine.model.adapters.unload("style")
    ended = {**{end.id: end for end in engine.step()}, **run(engine, [])}
    assert isinstance(ended["waiting"].error, ModelError)
    assert_one_sentence(ended["waiting"].error, "style", "not loaded")
    for request in (asked("sitting", 2), asked("later", 2)):
        assert_as_in_a_sound_engine(engine_of(1), request, ended[request.id])
    assert_nothing_inside(engine)


# ---- a step that fails as a whole


class FailingSteps(EagerSteps):
    """Fails once, in the step that it is told."""

    def __init__(self, failing_step: int) -> None:
        super().__init__()
        self._left = failing_step

    def run(self, compute: Callable[..., Tensor], *args: Any, **kwargs: Any) -> tuple[Tensor, Callable[[], None]]:
        self._left -= 1
        if self._left == -1:
            raise torch.OutOfMemoryError("no memory for a step")
        return super().run(compute, *args, **kwargs)


@pytest.mark.parametrize("failing_step", [0, 1, 3])
def test_engine_is_sound_after_a_step_failed_as_a_whole(failing_step: int) -> None:
    sound = engine_of(2)
    engine = Engine(sound.model, sound.search, runner=FailingSteps(failing_step))
    for name in ("a", "b", "c"):
        engine.submit(asked(name, 2))
    with pytest.raises(torch.OutOfMemoryError):
        for _ in range(failing_step + 1):
            engine.step()
    engine.drop_all()
    assert_nothing_inside(engine)
    ended = run(engine, [asked(name, 3) for name in ("a", "b", "c")])
    for name in ("a", "b", "c"):
        assert_as_in_a_sound_engine(engine_of(1), asked(name, 3), ended[name])
