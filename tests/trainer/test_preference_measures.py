"""Scores of judged prompts by a tiny Falcon, with and without an adapter."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.errors import InvalidData
from falcon.loading import load_base, load_tokenizer
from tests.falcon.tiny_falcon import CPU, write_tiny_falcon
from tests.trainer.test_likelihood import PAIRS, nats_by_transformers
from trainer.gate_measures import RatedItem
from trainer.likelihood import measure_likelihood, nats_by_pair
from trainer.pairs import Pair
from trainer.preference_measures import LabelledPair, rank_preferences, rated_items, score_pairs

ENDLESS = Pair("a boy", "snow " * 3000)
LABELLED = [
    LabelledPair(pair=PAIRS[0], request_id="1", is_liked=True),
    LabelledPair(pair=PAIRS[1], request_id="1", is_liked=False),
    LabelledPair(pair=PAIRS[0], request_id="2", is_liked=False),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_falcon(tmp_path_factory.mktemp("models") / "tiny")


def test_each_pair_costs_what_transformers_says_though_all_share_one_block(folder: Path) -> None:
    found = nats_by_pair(load_base(folder, "fp32", CPU).eval(), load_tokenizer(folder), PAIRS)
    for pair, cost in zip(PAIRS, found, strict=True):
        nats, num_tokens = nats_by_transformers(folder, (pair,))
        assert cost is not None
        assert (cost.nats, cost.num_tokens) == (pytest.approx(nats, abs=1e-4), num_tokens)


def test_costs_of_pairs_add_up_to_the_loss_of_them_all(folder: Path) -> None:
    model, tokenizer = load_base(folder, "fp32", CPU).eval(), load_tokenizer(folder)
    costs = [cost for cost in nats_by_pair(model, tokenizer, PAIRS) if cost is not None]
    whole = measure_likelihood(model, tokenizer, PAIRS)
    assert sum(cost.nats for cost in costs) / whole.num_tokens == pytest.approx(whole.nats_per_token, rel=1e-5)


def test_a_pair_beyond_the_context_keeps_its_place_and_has_no_cost(folder: Path) -> None:
    model, tokenizer = load_base(folder, "fp32", CPU).eval(), load_tokenizer(folder)
    found = nats_by_pair(model, tokenizer, [PAIRS[0], ENDLESS, PAIRS[1]])
    assert [cost is None for cost in found] == [False, True, False]
    labelled = [LabelledPair(pair=ENDLESS, request_id="0", is_liked=True), *LABELLED]
    base = score_pairs(model, tokenizer, labelled)
    assert [item.request_id for item in rank_preferences(model, tokenizer, labelled, base=base)] == ["1", "1", "2"]


def test_a_model_s_reward_is_what_it_gives_beyond_the_base(folder: Path) -> None:
    base_model, tokenizer = load_base(folder, "fp32", CPU).eval(), load_tokenizer(folder)
    base = score_pairs(base_model, tokenizer, LABELLED)
    assert {item.reward for item in rank_preferences(base_model, tokenizer, LABELLED, base=base)} == {0.0}
    with torch.no_grad():
        base_model.transformer.h[0].mlp.dense_4h_to_h.weight.mul_(3)
    for item, labelled in zip(rank_preferences(base_model, tokenizer, LABELLED, base=base), LABELLED, strict=True):
        nats, _ = nats_by_transformers(folder, (labelled.pair,))
        assert item.reward != 0
        assert item.log_probability - item.reward == pytest.approx(-nats, abs=1e-3)


def test_a_base_measured_on_other_pairs_is_refused() -> None:
    with pytest.raises(InvalidData, match="no score for 1 of 2 prompts"):
        rated_items({PAIRS[0]: -1.0, PAIRS[1]: -2.0}, LABELLED, base={PAIRS[0]: -1.5})


def test_one_prompt_judged_twice_gives_an_item_each_time() -> None:
    found = rated_items({PAIRS[0]: -1.0, PAIRS[1]: -2.0}, LABELLED, base={PAIRS[0]: -1.5, PAIRS[1]: -1.0})
    first = RatedItem(request_id="1", is_liked=True, log_probability=-1.0, reward=0.5)
    assert found[0] == first
    assert found[1].reward == -1.0
    assert found[2] == replace(first, request_id="2", is_liked=False)


def test_no_judged_prompts_need_no_pass_of_a_model() -> None:
    assert score_pairs(None, None, []) == {}  # type: ignore[arg-type]
