"""Small engines, requests that arrive at them, and transformers' answers to compare with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import FalconForCausalLM, GenerationConfig

from falcon.beam_search import SearchSettings
from falcon.engine import Ended, Engine, EngineRequest
from falcon.joined_weights import join_weights
from falcon.resident_adapters import ResidentAdapters
from falcon.row_model import RowModel, Rows
from falcon.row_operations import TorchOperations
from falcon.search_rules import RuleSettings
from falcon.step_runner import ComputeStep, EagerSteps, PromptRows
from falcon.token_memory import MemoryShape, TokenMemory
from tests.falcon.tiny_falcon import CPU, WORDS, tiny_falcon

EOS, LAST_TOKEN = 0, len(WORDS) - 1
MAX_STEPS = 2000  # beyond this a batch will never be empty


class LateSteps(EagerSteps):
    """Works as captured graphs do: on a batch and prompts rounded up, for the longest text, and tells one step late."""

    num_ahead = 1

    def __init__(self, shape: MemoryShape) -> None:
        super().__init__()
        self._num_seats, self._max_tokens = shape.num_homes, shape.max_tokens

    def run(
        self,
        compute: ComputeStep,
        num_seats: int,
        prompts: PromptRows | None,
        longest: int,
        *,
        adapter_layout: int,
    ) -> tuple[Tensor, Callable[[], None]]:
        assert num_seats <= self._num_seats
        assert longest <= self._max_tokens
        if prompts is not None and prompts.tokens:
            rest = -len(prompts.tokens) % 8
            prompts = PromptRows(
                tokens=[*prompts.tokens, *[0] * rest],
                seats=[*prompts.seats, *[self._num_seats] * rest],
                positions=[*prompts.positions, *[0] * rest],
            )
        return super().run(compute, self._num_seats, prompts, self._max_tokens, adapter_layout=adapter_layout)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request, the step before which it is submitted, and the one before which it is cancelled."""

    request: EngineRequest
    step: int = 0
    cancelled_at: int | None = None


@cache
def falcon_that_ends(bias: float = 0.0) -> FalconForCausalLM:
    """Return a Falcon in double precision, whose logit of EOS is `bias` higher; shared, so not to be changed.

    In double precision the two ways to compute the same logits differ by less than what could turn two beams round.
    """
    model = tiny_falcon(hidden_size=32).double().eval()
    with torch.no_grad():
        model.transformer.ln_f.weight.mul_(0.4)  # less sure of itself, it ends texts of one search at many lengths
        # Input and output share their embedding, so only the last norm can speak to one output alone.
        one_hot = torch.linalg.pinv(model.get_input_embeddings().weight)[:, EOS]
        model.transformer.ln_f.bias.copy_(bias * one_hot)
    return model


def search_for(num_beams: int = 3, max_new_tokens: int = 5, **settings: Any) -> SearchSettings:
    """Return settings that give every beam back."""
    given = {"num_return_sequences": num_beams, "eos_token_id": EOS, **settings}
    return SearchSettings(num_beams=num_beams, max_new_tokens=max_new_tokens, **given)


def make_row_model(
    model: FalconForCausalLM,
    *,
    num_homes: int = 3,
    rows_per_home: int = 1,
    max_prompt_tokens: int = 8,
    max_new_tokens: int = 5,
    num_slots: int = 2,
    adapters: Mapping[str, Path] | None = None,
    spoilt_position: int | None = None,
) -> RowModel:
    """Return `model` with memory of its own and `adapters` in their slots; no number comes of a spoilt position."""
    weights = join_weights(model, max_prompt_tokens + max_new_tokens)
    if spoilt_position is not None:
        weights.cos[spoilt_position] = torch.nan
    shape = MemoryShape(
        num_layers=len(weights.layers),
        head_size=weights.head_size,
        num_homes=num_homes,
        rows_per_home=rows_per_home,
        max_prompt_tokens=max_prompt_tokens,
        max_new_tokens=max_new_tokens,
    )
    resident = ResidentAdapters(weights, num_slots=num_slots, max_rank=8)
    for name, folder in (adapters or {}).items():
        resident.load(name, folder)
    memory = TokenMemory(shape, weights.dtype, CPU)
    return RowModel(weights, memory, TorchOperations(weights), resident)


def make_engine(
    model: FalconForCausalLM,
    search: SearchSettings,
    rules: RuleSettings | None = None,
    *,
    num_seats: int = 3,
    max_prompt_tokens: int = 8,
    is_late: bool = False,
    adapters: Mapping[str, Path] | None = None,
    spoilt_position: int | None = None,
) -> Engine:
    """Return an engine of `num_seats` seats; a late one looks at each step one step later."""
    row_model = make_row_model(
        model,
        num_homes=num_seats,
        rows_per_home=search.num_beams,
        max_prompt_tokens=max_prompt_tokens,
        max_new_tokens=search.max_new_tokens,
        adapters=adapters,
        spoilt_position=spoilt_position,
    )
    return Engine(row_model, search, rules, runner=LateSteps(row_model.memory.shape) if is_late else EagerSteps())


def run(engine: Engine, arrivals: Sequence[Arrival | EngineRequest]) -> dict[str, Ended]:
    """Let `arrivals` come and go until nothing is inside; return how each ended, in the order of their ends."""
    coming = [one if isinstance(one, Arrival) else Arrival(one) for one in arrivals]
    ended: dict[str, Ended] = {}
    now = 0

    def is_due(step: int | None) -> bool:
        return step is not None and now >= step

    while coming or engine.num_inside:
        for one in [one for one in coming if is_due(one.step)]:
            coming.remove(one)
            engine.submit(replace(one.request, is_cancelled=lambda at=one.cancelled_at: is_due(at)))
        for end in engine.step():
            assert end.id not in ended
            ended[end.id] = end
        now += 1
        assert now < MAX_STEPS
    return ended


def assert_nothing_inside(engine: Engine) -> None:
    """Every home is free, and a further step finds nothing to do."""
    assert engine.num_inside == 0
    assert engine.model.memory.num_free_homes == engine.model.memory.shape.num_homes
    assert engine.step() == []


def assert_same_answer(one: Ended, other: Ended) -> None:
    """Both ended with the same beams in the same groups, but for rounding."""
    assert (one.error, other.error) == (None, None)
    assert [[beam.tokens for beam in group] for group in one.groups] == [
        [beam.tokens for beam in group] for group in other.groups
    ]
    for mine, its in zip(one.groups, other.groups, strict=True):
        assert [beam.score for beam in mine] == pytest.approx([beam.score for beam in its], abs=1e-4)
        assert [beam.log_prob for beam in mine] == pytest.approx([beam.log_prob for beam in its], abs=1e-4)


def generated(
    model: FalconForCausalLM, prompt: Sequence[int], search: SearchSettings, **rules: Any
) -> tuple[list[list[int]], list[float]]:
    """Return transformers' new tokens, EOS from their end on, and its scores; none for a single beam."""
    output = model.generate(
        input_ids=torch.tensor([list(prompt)]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        generation_config=GenerationConfig(
            do_sample=False,
            num_beams=search.num_beams,
            num_return_sequences=search.num_return_sequences,
            length_penalty=search.length_penalty,
            early_stopping=search.early_stopping,
            max_new_tokens=search.max_new_tokens,
            eos_token_id=EOS,
            pad_token_id=EOS,
            output_scores=True,
            return_dict_in_generate=True,
            **rules,
        ),
    )
    scores = [] if search.num_beams == 1 else output.sequences_scores.tolist()
    return output.sequences[:, len(prompt) :].tolist(), scores


def assert_as_transformers(
    model: FalconForCausalLM, prompt: Sequence[int], search: SearchSettings, end: Ended, **rules: Any
) -> None:
    """`end` has the one group of beams that transformers gives for `prompt` alone."""
    texts, scores = generated(model, prompt, search, **rules)
    assert end.error is None
    [beams] = end.groups
    width = len(texts[0])
    assert [beam.tokens + [EOS] * (width - beam.length) for beam in beams] == texts
    if scores:
        assert [beam.score for beam in beams] == pytest.approx(scores, abs=1e-4)


@torch.inference_mode()
def read_texts(model: RowModel, texts: Sequence[Sequence[int]], slots: Sequence[int] = ()) -> list[Tensor]:
    """Return the logits (T, V) after each token of every text, all read in one pass into homes of their own."""
    firsts = torch.tensor([model.memory.first_place(home) for home in range(len(texts))])
    lengths = [len(text) for text in texts]
    owners = torch.arange(len(texts)).repeat_interleave(torch.tensor(lengths))
    positions = torch.cat([torch.arange(length) for length in lengths])
    rows = Rows(
        tokens=torch.tensor([token for text in texts for token in text]),
        positions=positions,
        write_at=firsts[owners] + positions,
        places=(firsts[owners].unsqueeze(1) + torch.arange(model.memory.shape.max_tokens)).int(),
        longest=max(lengths),
        adapter_slots=torch.tensor(slots)[owners] if slots else None,
    )
    return list(model.logits(model.hidden(rows)).split(lengths))


def own_logits(model: Any, text: Sequence[int]) -> Tensor:
    """Return the logits (T, V) that transformers' (or peft's) own forward gives."""
    with torch.inference_mode():
        logits: Tensor = model(input_ids=torch.tensor([list(text)]), use_cache=False).logits[0]
    return logits
