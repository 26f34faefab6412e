"""The gate: each bound from both sides, and whole cycles of honest, random and reversed votes."""

import json
import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from core.errors import ConfigError
from core.settings import PROJECT_ROOT
from trainer.gate import RULES, Gate, gate_of, judge
from trainer.gate_config import GateConfig, read_gate_config
from trainer.gate_measures import NUMBERS_OF_ANSWERS, Measures, RatedItem, measures_from, measures_of
from trainer.gate_ranking import GAIN, LIKED, SHIFT
from trainer.gate_verdict import GateTest

CONFIG = read_gate_config(PROJECT_ROOT / "configs" / "gate.toml")
FIGURES: dict[str, Any] = {
    "nats_per_token": 3.0,
    "jaccard_distance": 0.8,
    "distinct_2": 0.7,
    "self_bleu": 0.1,
    "valid_parameters": 1.0,
    "full_answers": 1.0,
    "subject_kept": 1.0,
    "ended_by_eos": 0.99,
    "repeated_4grams": 0.01,
    "copied": 0.02,
    "seconds_p95": 2.0,
}
# The worst value that each figure may have beside FIGURES, and one beyond it.
EDGES = {
    "nats_per_token": (3.03, 3.031),
    "jaccard_distance": (0.72, 0.719),
    "distinct_2": (0.595, 0.594),
    "self_bleu": (0.15, 0.151),
    "valid_parameters": (0.97, 0.969),
    "full_answers": (0.95, 0.949),
    "subject_kept": (0.97, 0.969),
    "ended_by_eos": (0.94, 0.939),
    "repeated_4grams": (0.06, 0.061),
    "copied": (0.07, 0.071),
    "seconds_p95": (4.0, 4.01),
}


def items(rewards: list[float], liked: list[bool], per_request: int = 4) -> tuple[RatedItem, ...]:
    return tuple(
        RatedItem(request_id=str(number // per_request), is_liked=flag, log_probability=reward - 2, reward=reward)
        for number, (reward, flag) in enumerate(zip(rewards, liked, strict=True))
    )


def judged(num_items: int, auc: float, rng: np.random.Generator) -> tuple[RatedItem, ...]:
    """Return items whose rewards are normal, with this AUC in the long run; half of them are liked."""
    liked = rng.random(num_items) < 0.5
    rewards = rng.normal(size=num_items) + math.sqrt(2) * NormalDist().inv_cdf(auc) * liked
    return items(rewards.tolist(), liked.tolist())


GOOD_ITEMS = judged(120, 0.85, np.random.default_rng(0))
BASE = Measures(**FIGURES)
GOOD = Measures(adapter="new", rated=GOOD_ITEMS, **FIGURES)


def only(gate: Gate, name: str) -> GateTest:
    (test,) = (test for test in gate.tests if test.name == name)
    return test


def pass_rate(cycle: Callable[[np.random.Generator], tuple[Measures, Measures]], num_cycles: int = 300) -> float:
    rng = np.random.default_rng(29)
    return float(np.mean([judge(*cycle(rng), CONFIG).is_passed for _ in range(num_cycles)]))


def test_an_adapter_as_good_as_the_base_that_ranks_well_passes_every_test() -> None:
    gate = judge(BASE, GOOD, CONFIG)
    assert gate.is_passed
    assert gate.reason is None
    assert len(gate.tests) == len(RULES) + 3
    assert {test.name for test in gate.tests if test.verdict == "skipped"} == {SHIFT}


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_may_reach_its_bound_and_not_go_beyond(name: str) -> None:
    at_bound, beyond = (judge(BASE, replace(GOOD, **{name: value}), CONFIG) for value in EDGES[name])
    assert at_bound.is_passed
    assert [test.name for test in beyond.failed] == [name]
    assert beyond.reason == only(beyond, name).sentence
    assert not beyond.is_passed


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_that_is_missing_or_not_finite_fails_with_a_sentence(name: str, value: float | None) -> None:
    for champion, challenger in (
        (replace(BASE, **{name: value}), GOOD),  # type: ignore[arg-type]
        (BASE, replace(GOOD, **{name: value})),  # type: ignore[arg-type]
    ):
        test = only(judge(champion, challenger, CONFIG), name)
        assert test.verdict == "failed"
        assert "there is no usable figure of" in test.sentence


def test_a_bound_is_told_in_words_with_both_values() -> None:
    gate = judge(BASE, replace(GOOD, valid_parameters=0.9), CONFIG)
    assert gate.reason == (
        "Only valid parameters: 100.0 % with what serves, 90.0 % with the new adapter, and at least 97.0 % is needed."
    )


def test_every_figure_has_an_edge_here() -> None:
    assert set(EDGES) == set(FIGURES) == {*NUMBERS_OF_ANSWERS, "nats_per_token"}


def test_loss_is_told_in_words_with_its_bound_where_pairs_were_measured() -> None:
    costs = tuple(np.random.default_rng(1).uniform(30, 60, 100).tolist())
    test = only(judge(BASE, replace(GOOD, nats_per_token=3.069), CONFIG), "nats_per_token")
    assert test.sentence == "Held-out loss rose by 2.3 %, and a rise of 1.0 % is allowed."
    assert "Held-out loss did not change, and" in only(judge(BASE, GOOD, CONFIG), "nats_per_token").sentence
    champion = replace(BASE, pair_nats=costs)
    challenger = replace(GOOD, nats_per_token=2.97, pair_nats=tuple(0.99 * cost for cost in costs))
    assert only(judge(champion, challenger, CONFIG), "nats_per_token").sentence == (
        "Held-out loss fell by 1.0 % (-1.0 % at most, with 95 % confidence), and a rise of 1.0 % is allowed."
    )


@pytest.mark.parametrize(
    ("rated", "words"),
    [
        (GOOD_ITEMS[:39], "Not enough held-out votes to tell: 39 judged prompts, and 40 are needed."),
        ((), "Not enough held-out votes to tell: 0 judged prompts"),
        (items([0.1] * 60, [True] * 60), "All 60 held-out judgements say the same"),
        (items([0.1] * 60, [True, False] * 30, per_request=60), "are of one request"),
        (items([math.nan] * 60, [True, False] * 30), "got no finite score"),
    ],
)
def test_votes_that_cannot_tell_fail_unless_they_are_not_needed(rated: tuple[RatedItem, ...], words: str) -> None:
    gate = judge(BASE, replace(GOOD, rated=rated), CONFIG)
    assert only(gate, LIKED).verdict == "failed"
    assert words in only(gate, LIKED).sentence
    waived = judge(BASE, replace(GOOD, rated=rated), replace(CONFIG, ranking=replace(CONFIG.ranking, is_needed=False)))
    assert only(waived, LIKED).verdict == "skipped"
    assert waived.is_passed


def test_an_adapter_that_serves_must_be_measured_on_the_same_items() -> None:
    gate = judge(replace(BASE, adapter="old", rated=GOOD_ITEMS[1:]), GOOD, CONFIG)
    assert "was not measured on the same judged prompts" in only(gate, SHIFT).sentence
    assert not gate.is_passed


def test_a_change_against_the_votes_fails_though_the_adapter_still_beats_the_base() -> None:
    better = tuple(replace(item, reward=item.reward + item.is_liked) for item in GOOD_ITEMS)
    gate = judge(replace(BASE, adapter="old", rated=better), GOOD, CONFIG)
    assert only(gate, LIKED).verdict == "passed"
    assert [test.name for test in gate.failed] == [SHIFT]
    assert judge(replace(BASE, adapter="old", rated=GOOD_ITEMS), replace(GOOD, rated=better), CONFIG).is_passed


def test_a_gain_over_the_adapter_that_serves_is_proved_only_on_demand() -> None:
    strict = replace(CONFIG, ranking=replace(CONFIG.ranking, min_auc_gain=0.0))
    old = replace(BASE, adapter="old", rated=GOOD_ITEMS)
    far_better = tuple(replace(item, reward=item.reward + 2 * item.is_liked) for item in GOOD_ITEMS)
    assert judge(old, GOOD, CONFIG).is_passed
    assert [test.name for test in judge(old, GOOD, strict).failed] == [GAIN]
    assert judge(old, replace(GOOD, rated=far_better), strict).is_passed
    assert only(judge(BASE, GOOD, strict), GAIN).verdict == "skipped"


@pytest.mark.parametrize("num_items", [40, 60, 120])
def test_votes_of_pure_noise_pass_once_in_a_hundred_cycles_at_most(num_items: int) -> None:
    assert pass_rate(lambda rng: (BASE, replace(GOOD, rated=judged(num_items, 0.5, rng)))) <= 0.01


def test_reversed_votes_never_pass() -> None:
    assert pass_rate(lambda rng: (BASE, replace(GOOD, rated=judged(60, 0.25, rng)))) == 0


@pytest.mark.parametrize(
    ("num_items", "auc", "least"), [(60, 0.75, 0.7), (60, 0.8, 0.9), (120, 0.7, 0.8), (120, 0.75, 0.95)]
)
def test_honest_cycles_pass_as_often_as_their_votes_allow(num_items: int, auc: float, least: float) -> None:
    assert pass_rate(lambda rng: (BASE, replace(GOOD, rated=judged(num_items, auc, rng)))) >= least


def test_an_adapter_spoiled_on_purpose_fails_however_it_ranks() -> None:
    spoiled = replace(GOOD, nats_per_token=9.5, ended_by_eos=0.0, repeated_4grams=0.9, self_bleu=None)
    assert {test.name for test in judge(BASE, spoiled, CONFIG).failed} == {
        "nats_per_token",
        "ended_by_eos",
        "repeated_4grams",
        "self_bleu",
    }


def test_a_gate_and_its_measures_come_back_from_json_as_they_were() -> None:
    for champion in (BASE, replace(BASE, self_bleu=None, adapter="old", rated=GOOD_ITEMS)):
        gate = judge(champion, GOOD, CONFIG)
        assert gate_of(json.loads(json.dumps(gate.as_dict(), allow_nan=False)), where="cycle") == gate
        assert measures_of(json.loads(json.dumps(champion.as_dict())), where="cycle") == champion


def test_measures_are_read_out_of_an_evaluation() -> None:
    answers = {name: FIGURES[name] for name in NUMBERS_OF_ANSWERS} | {"words_median": 12.0, "self_bleu": None}
    evaluation = {"adapter": "new", "likelihood": {"nats_per_token": 3.0}, "answers": answers}
    assert measures_from(evaluation, rated=GOOD_ITEMS) == replace(GOOD, self_bleu=None)
    assert measures_from({"adapter": None, "likelihood": {"nats_per_token": math.nan}, "answers": None}) == Measures()


def test_table_has_a_row_a_test_with_its_bound_on_the_good_side() -> None:
    gate = judge(BASE, replace(GOOD, self_bleu=None), CONFIG)
    heading, *rows = gate.as_table()
    assert len(rows) == len(gate.tests)
    assert {len(row) for row in (heading, *rows)} == {5}
    assert ("only valid parameters", "100.0 %", "100.0 %", "≥ 97.0 %", "passed") in rows
    assert ("held-out loss, nats/token", "3.000", "3.000", "≤ 3.030", "passed") in rows
    assert ("self-BLEU among candidates", "0.100", "–", "–", "failed") in rows


def test_shipped_file_holds_the_defaults() -> None:
    assert GateConfig() == CONFIG


def test_an_unknown_key_or_an_impossible_value_is_named(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    for text, words in (
        ("[loss]\nmax_rise = 0.1", "unknown key 'max_rise'"),
        ("[speed]", "unknown key 'speed'"),
        ("[loss]\nmax_rise_share = nan", "max_rise_share = nan is out of range"),
        ("[ranking]\nconfidence = 1.0", "confidence = 1.0 is out of range"),
        ("[ranking]\nmin_auc_gain = 2.0", "min_auc_gain = 2.0 is out of range"),
        ("[answers]\nmax_eos_fall = -0.1", "max_eos_fall = -0.1 is out of range"),
        ("[latency]\nmax_p95_ratio = 0.5", "max_p95_ratio = 0.5 is out of range"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=words):
            read_gate_config(file)
    assert {field.name for field in fields(GateConfig)} == {"loss", "ranking", "diversity", "answers", "latency"}
