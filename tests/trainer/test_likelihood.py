"""Losses on held-out answers, against transformers' own forward pass."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.errors import InvalidData
from falcon.loading import load_base, load_tokenizer
from falcon.template import render_answer, render_question
from tests.falcon.tiny_falcon import CPU, write_tiny_falcon
from trainer.likelihood import Likelihood, likelihood, measure_likelihood
from trainer.pairs import Pair

PAIRS = (
    Pair("a boy", "a boy running in the snow"),
    Pair("the red fox", "the red fox and its shadow in the snow"),
    Pair("snow", "snow"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_falcon(tmp_path_factory.mktemp("models") / "tiny")


def nats_by_transformers(folder: Path, pairs: tuple[Pair, ...]) -> tuple[float, int]:
    """Return the nats and tokens of the answers alone, one document at a time."""
    model, tokenizer = load_base(folder, "fp32", CPU).eval(), load_tokenizer(folder)
    nats, num_tokens = 0.0, 0
    for pair in pairs:
        question = tokenizer(render_question(pair.subject))["input_ids"]
        answer = [*tokenizer(render_answer(pair.prompt, ""))["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([question + answer])).logits[0, len(question) - 1 : -1]
        chosen = logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None])
        nats -= float(chosen.sum())
        num_tokens += len(answer)
    return nats, num_tokens


def test_loss_is_that_of_the_answers_alone_with_their_end(folder: Path) -> None:
    nats, num_tokens = nats_by_transformers(folder, PAIRS)
    found = measure_likelihood(load_base(folder, "fp32", CPU).eval(), load_tokenizer(folder), PAIRS)
    assert found.num_tokens == num_tokens
    assert found.num_pairs == len(PAIRS)
    assert found.nats_per_token == pytest.approx(nats / num_tokens, abs=1e-4)
    num_bytes = sum(len(pair.prompt) for pair in PAIRS)
    assert found.bits_per_byte == pytest.approx(nats / math.log(2) / num_bytes, abs=1e-4)
    assert found.perplexity == pytest.approx(math.exp(nats / num_tokens), rel=1e-3)


def test_pairs_beyond_the_context_are_left_out_and_none_at_all_is_refused(folder: Path) -> None:
    model, tokenizer = load_base(folder, "fp32", CPU).eval(), load_tokenizer(folder)
    endless = Pair("a boy", "snow " * 3000)
    assert measure_likelihood(model, tokenizer, [endless, *PAIRS]).num_pairs == len(PAIRS)
    for pairs in ([endless], []):
        with pytest.raises(InvalidData, match=f"None of {len(pairs)} validation pairs can be measured"):
            measure_likelihood(model, tokenizer, pairs)


def test_bytes_are_utf_8_and_bits_are_spread_over_them() -> None:
    found = likelihood(8 * math.log(2), num_tokens=2, num_bytes=4, num_pairs=1)
    assert found.bits_per_byte == pytest.approx(2.0)
    assert found.nats_per_token == pytest.approx(4 * math.log(2))
    assert found.perplexity == pytest.approx(16.0)


def test_perplexity_of_a_diverged_model_is_huge_and_no_error() -> None:
    lost = Likelihood(nats_per_token=5000.0, bits_per_byte=1.0, num_tokens=1, num_pairs=1)
    assert lost.perplexity > 1e300
    assert math.isfinite(replace(lost, nats_per_token=1.0).perplexity)
