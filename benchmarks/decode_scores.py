"""Measure how far fewer bits move a next token's log-probabilities, and what company does to a request.

The truth is the same bf16 weights computed in float32. They are widened matrix by matrix, so a 7B model needs no
memory for it. A prompt is read as the engine reads it: all but its last token beside others, that one as a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer

from benchmarks.decode_models import NUM_BEAMS, Models, Row, build_engine, build_row_model
from benchmarks.decode_runs import best_beam, real_prompts, run_batch, warm_up
from benchmarks.train_setting import read_pairs
from core.settings import POCKET_FOLDER
from falcon.beam_search import SearchSettings
from falcon.engine import Engine, EngineRequest
from falcon.joined_weights import JoinedWeights, Layer, Norm, join_weights
from falcon.loading import load_base
from falcon.prompt_texts import MAX_PROMPT_TOKENS
from falcon.row_model import RowModel, Rows
from falcon.row_operations import TorchOperations
from falcon.template import render_opening, render_question

NUM_PROMPTS, QUICK_PROMPTS = 64, 8
NUM_COMPARED = 10  # the likeliest tokens of each prompt


@dataclass(frozen=True, slots=True)
class _Widened:
    """A matrix that is float32 only while it is multiplied with."""

    matrix: Tensor

    @property
    def shape(self) -> torch.Size:
        return self.matrix.shape

    def dense(self, dtype: torch.dtype) -> Tensor:
        return self.matrix.to(dtype)


def measure_scores(models: Models) -> Iterator[tuple[str, Row]]:
    """Yield the distance of each precision to float32, ours and transformers', and of a mixture to being alone."""
    setting = models.setting
    prompts = [prompt.tokens for prompt in real_prompts(setting, QUICK_PROMPTS if setting.is_quick else NUM_PROMPTS)]
    wide = _widened(models.weights("bf16"))
    truth = _engine_scores(wide, prompts, TorchOperations(wide))
    for precision in ("bf16", "int8", "nf4"):
        yield f"engine {precision}", _distance(_engine_scores(models.weights(precision), prompts), truth)
    for precision in ("bf16", "nf4"):
        yield (
            f"transformers {precision}",
            _distance(_peer_scores(models.peer(precision), prompts, setting.device), truth),
        )
    yield from _measure_mixture(models, prompts)


def _measure_mixture(models: Models, prompts: Sequence[list[int]]) -> Iterator[tuple[str, Row]]:
    """Yield how many requests get the same tokens alone and all together: random weights, and the pocket's own."""
    setting, size = models.setting, len(prompts)
    yield f"engine bf16 alone and {size} together", _mixture(models.engine("bf16"), prompts)
    invariant = build_engine(models.weights("bf16"), setting, num_seats=size, is_invariant=True)
    yield f"engine bf16 invariant alone and {size} together", _mixture(invariant, prompts)
    del invariant
    tokenizer = AutoTokenizer.from_pretrained(POCKET_FOLDER, trust_remote_code=False)
    pairs = read_pairs(setting.data, "midjourney")[: 10 * size : 10]
    texts = [render_question(pair.subject) + render_opening(pair.subject) for pair in pairs]
    prompts = [tokenizer(text)["input_ids"] for text in texts]
    search = SearchSettings(
        num_beams=NUM_BEAMS, num_return_sequences=1, max_new_tokens=setting.num_new_tokens, eos_token_id=0
    )
    for is_invariant in (False, True):
        model = load_base(POCKET_FOLDER, "bf16", setting.device)
        weights = join_weights(model, MAX_PROMPT_TOKENS + setting.num_new_tokens)
        engine = build_engine(weights, setting, search=search, num_seats=size, is_invariant=is_invariant)
        name = "pocket bf16 invariant" if is_invariant else "pocket bf16"
        yield f"{name} alone and {size} together", _mixture(engine, prompts)


def _mixture(engine: Engine, prompts: Sequence[list[int]]) -> Row:
    requests = [EngineRequest(id=str(number), prompt=prompt) for number, prompt in enumerate(prompts)]
    warm_up(engine, requests[:1])
    alone = [run_batch(engine, [request]).ended[request.id] for request in requests]
    together = run_batch(engine, requests).ended
    pairs = [(best_beam(ended), best_beam(together[ended.id])) for ended in alone]
    equal = sum(one.tokens == other.tokens for one, other in pairs)
    row: Row = {"prompts": len(prompts), "equal_tokens": round(equal / len(pairs), 4)}
    nats = max(abs(one.log_prob / one.length - other.log_prob / other.length) for one, other in pairs)
    return row | {"max_nats": round(nats, 4)}


@torch.inference_mode()
def _engine_scores(weights: JoinedWeights, prompts: Sequence[list[int]], operations: Any = None) -> Tensor:
    """Return the next token's log-probabilities of each prompt, (Q, V) float32 in main memory."""
    model = build_row_model(weights, 1, 1, num_homes=1, operations=operations)
    return torch.stack([_next_token(model, prompt) for prompt in prompts])


def _next_token(model: RowModel, prompt: list[int]) -> Tensor:
    if len(prompt) > 1:
        model.hidden(_rows(model, prompt, range(len(prompt) - 1)))
    logits = model.logits(model.hidden(_rows(model, prompt, range(len(prompt) - 1, len(prompt)))))
    return logits[0].float().log_softmax(0).cpu()


def _rows(model: RowModel, prompt: list[int], positions: range) -> Rows:
    """Return the rows that read some positions of a prompt, whose places are its positions."""
    device = model.weights.device
    places = torch.arange(model.memory.shape.max_tokens, dtype=torch.int32, device=device)
    at = torch.tensor(list(positions), device=device)
    return Rows(
        tokens=torch.tensor([prompt[position] for position in positions], device=device),
        positions=at,
        write_at=at,
        places=places.expand(len(positions), -1).contiguous(),
        longest=len(prompt),
    )


@torch.inference_mode()
def _peer_scores(model: Any, prompts: Sequence[list[int]], device: torch.device) -> Tensor:
    logits = [model(input_ids=torch.tensor([prompt], device=device)).logits[0, -1] for prompt in prompts]
    return torch.stack([values.float().log_softmax(0).cpu() for values in logits])


def _widened(weights: JoinedWeights) -> JoinedWeights:
    return replace(
        weights,
        embedding=weights.embedding.float(),
        layers=tuple(
            Layer(norm=_float_norm(layer.norm), into=_Widened(layer.into), out_of=_Widened(layer.out_of))
            for layer in weights.layers
        ),
        final_norm=_float_norm(weights.final_norm),
    )


def _float_norm(norm: Norm) -> Norm:
    return replace(norm, weight=norm.weight.float(), bias=norm.bias.float())


def _distance(scores: Tensor, truth: Tensor) -> Row:
    """Return how far log-probabilities (Q, V) are from the true ones, at each row's likeliest tokens."""
    likeliest = truth.topk(NUM_COMPARED, 1)
    distances = (scores.gather(1, likeliest.indices) - likeliest.values).abs()
    return {
        "prompts": len(truth),
        "mean_nats": round(float(distances.mean()), 5),
        "max_nats": round(float(distances.max()), 4),
        "equal_best": round(float((scores.argmax(1) == truth.argmax(1)).float().mean()), 4),
    }
