"""Runs requests through an engine or through transformers and times them; it knows nothing of what is compared."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from benchmarks.decode_models import EOS, NUM_BEAMS, Row, Setting, release, synchronize
from benchmarks.train_setting import read_pairs
from core.errors import NotEnoughMemory
from falcon.beam_search import FinishedBeam
from falcon.engine import Ended, Engine, EngineRequest
from falcon.memory import is_out_of_memory
from falcon.serving_metrics import read_snapshot
from falcon.template import render_answer, render_opening, render_question
from trainer.pairs import Pair

PROMPT_TOKENS = 16  # of a random prompt
FIRST_TOKEN, LAST_TOKEN = 20_000, 40_000  # random prompts take their tokens from in between


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRun:
    """Requests that were submitted together and have all ended."""

    seconds: float
    num_steps: int
    ended: dict[str, Ended]

    @property
    def step_ms(self) -> float:
        return 1000 * self.seconds / max(1, self.num_steps)


@dataclass(frozen=True, slots=True)
class RealPrompt:
    """A subject in the template, and how many tokens the person went on with, the end of sequence counted."""

    tokens: list[int]
    num_new_tokens: int


def run_batch(engine: Engine, requests: Sequence[EngineRequest]) -> BatchRun:
    """Submit `requests` at once and step until all have ended."""
    before = num_steps(engine)
    started = time.monotonic()
    ended: dict[str, Ended] = {}
    try:
        for request in requests:
            engine.submit(request)
        while engine.num_inside:
            ended |= {one.id: one for one in engine.step()}
    except Exception:
        engine.drop_all()  # other measurements go on with it
        raise
    seconds = time.monotonic() - started
    failed = [one.error for one in ended.values() if one.error is not None]
    if failed:
        raise failed[0]
    return BatchRun(seconds=seconds, num_steps=num_steps(engine) - before, ended=ended)


def num_steps(engine: Engine) -> int:
    """Return how many steps an engine has made."""
    snapshot = read_snapshot(engine.metrics.snapshot())
    assert snapshot is not None
    return snapshot.num_steps


def warm_up(engine: Engine, requests: Sequence[EngineRequest]) -> None:
    """Run `requests` until every size on their way was seen often enough to be captured, and once as a graph."""
    for _ in range(3 if engine.model.weights.device.type == "cuda" else 1):
        run_batch(engine, requests)


def best_beam(ended: Ended) -> FinishedBeam:
    """Return the best of all beams of a request."""
    return max((beam for group in ended.groups for beam in group), key=lambda beam: beam.score)


def shortest(run: BatchRun) -> int:
    """Return the new tokens of the shortest best beam: below what was asked for, EOS came early."""
    return min(best_beam(ended).length for ended in run.ended.values())


def random_prompts(num_prompts: int) -> list[list[int]]:
    """Return prompts of 16 tokens, the same ones each time."""
    random = torch.Generator().manual_seed(1)
    return [
        [int(token) for token in row]
        for row in torch.randint(FIRST_TOKEN, LAST_TOKEN, (num_prompts, PROMPT_TOKENS), generator=random)
    ]


def random_requests(num_requests: int, adapters: Sequence[str | None] = (None,)) -> list[EngineRequest]:
    """Return requests on random prompts that take `adapters` by turns."""
    return [
        EngineRequest(id=str(number), prompt=prompt, adapter=adapters[number % len(adapters)])
        for number, prompt in enumerate(random_prompts(num_requests))
    ]


def load_tokenizer(setting: Setting) -> PreTrainedTokenizerBase:
    """Return Falcon's tokenizer."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        setting.data / "falcon_tokenizer", trust_remote_code=False
    )
    return tokenizer


def real_prompts(setting: Setting, num_prompts: int) -> list[RealPrompt]:
    """Return as many prompts of real people as are wanted, spread evenly over all that there are."""
    tokenizer = load_tokenizer(setting)
    pairs = read_pairs(setting.data, "midjourney")
    chosen = pairs[:: max(1, len(pairs) // num_prompts)][:num_prompts]
    return [_real_prompt(pair, tokenizer, setting.num_new_tokens) for pair in chosen]


def _real_prompt(pair: Pair, tokenizer: PreTrainedTokenizerBase, max_new_tokens: int) -> RealPrompt:
    """Return what is read for a prompt's subject, and as many new tokens as the whole real prompt has, its end counted.

    Many real prompts are their subject alone, and a model that is asked goes on after it.
    """
    prompt: list[int] = tokenizer(render_question(pair.subject) + render_opening(pair.subject))["input_ids"]
    answer: list[int] = tokenizer(render_answer(pair.prompt, str(tokenizer.eos_token)))["input_ids"]
    return RealPrompt(prompt, min(max_new_tokens, len(answer)))


def generate_seconds(model: Any, prompts: Sequence[Sequence[int]], setting: Setting) -> float:
    """Return the seconds that transformers takes for `prompts` of one length in one batch, EOS suppressed."""
    input_ids = torch.tensor([list(prompt) for prompt in prompts], device=setting.device)
    config = GenerationConfig(
        do_sample=False,
        num_beams=NUM_BEAMS,
        num_return_sequences=NUM_BEAMS,
        min_new_tokens=setting.num_new_tokens,
        max_new_tokens=setting.num_new_tokens,
        eos_token_id=EOS,
        pad_token_id=EOS,
    )
    synchronize(setting.device)
    started = time.monotonic()
    with torch.inference_mode():
        output = model.generate(
            input_ids=input_ids, attention_mask=torch.ones_like(input_ids), generation_config=config
        )
    synchronize(setting.device)
    seconds = time.monotonic() - started
    assert output.shape[1] == input_ids.shape[1] + setting.num_new_tokens
    return seconds


def guarded(work: Callable[[], Row]) -> Row:
    """Return what `work` measures, or a row that says that memory ran out, so that others can go on."""
    try:
        return work()
    except (RuntimeError, MemoryError, NotEnoughMemory) as error:
        if not isinstance(error, NotEnoughMemory) and not is_out_of_memory(error):
            raise
        message = f"memory ran out: {error}"[:200]
    release()  # only here is the error, with what it holds, gone
    return {"error": message}
