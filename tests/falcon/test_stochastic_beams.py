"""Stochastic beams are a sample without replacement, the same for a seed wherever it is drawn."""

from collections import Counter
from dataclasses import replace
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from falcon.beam_search import SearchSettings, hypotheses, hypotheses_by_group, open_beams, reset
from falcon.stochastic_beams import perturb
from tests.falcon.plain_search import EOS, TableModel, search
from tests.falcon.tiny_falcon import CPU

PROMPT = [1]


def asked_for(num_beams: int, max_new_tokens: int, *, groups: int = 1) -> SearchSettings:
    return SearchSettings(
        num_beams=num_beams * groups,
        num_beam_groups=groups,
        num_return_sequences=num_beams * groups,
        max_new_tokens=max_new_tokens,
        eos_token_id=EOS,
        length_penalty=2.0,  # must not matter
        early_stopping=True,  # neither
        is_stochastic=True,
    )


def leaves(
    model: TableModel, text: tuple[int, ...] = (), log_prob: float = 0.0, left: int = 2
) -> dict[tuple[int, ...], float]:
    """Return all ended texts of up to `left` tokens and their log-probabilities."""
    found: dict[tuple[int, ...], float] = {}
    for token, step in enumerate(model.row([*PROMPT, *text]).tolist()):
        if token == EOS or left == 1:
            found[(*text, token)] = log_prob + step
        else:
            found |= leaves(model, (*text, token), log_prob + step, left - 1)
    return found


def drawn(num_beams: int, seeds: list[int], model: TableModel) -> list[list[tuple[int, ...]]]:
    asked = asked_for(num_beams, 2)
    found = hypotheses(search(model, [PROMPT] * len(seeds), asked, seeds=seeds), asked)
    return [[tuple(item.tokens) for item in items] for items in found]


def chi_square(
    counts: Counter[tuple[tuple[int, ...], ...]], expected: dict[tuple[tuple[int, ...], ...], float]
) -> float:
    total = counts.total()
    assert counts.keys() <= expected.keys()
    return sum((counts[key] - total * share) ** 2 / (total * share) for key, share in expected.items())


@pytest.mark.parametrize("first_seed", [0, 2**40, -5000])
def test_ordered_pairs_are_as_frequent_as_draws_without_replacement(first_seed: int) -> None:
    """7 texts, 42 ordered pairs: beyond 74.7 of chi-square with 41 degrees lies one chance in a thousand."""
    model = TableModel(3, seed=5, sharpness=0.5)
    shares = {text: torch.tensor(log_prob).exp().item() for text, log_prob in leaves(model).items()}
    assert len(shares) == 7
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    pairs = {(one, two): shares[one] * shares[two] / (1 - shares[one]) for one, two in permutations(shares, 2)}
    counts = Counter(tuple(texts) for texts in drawn(2, list(range(first_seed, first_seed + 4000)), model))
    assert counts.total() == 4000
    assert chi_square(counts, pairs) < 74.7


def test_one_beam_is_a_plain_sample() -> None:
    """7 texts: beyond 22.5 of chi-square with 6 degrees lies one chance in a thousand."""
    model = TableModel(3, seed=6, sharpness=0.5)
    shares = {(text,): torch.tensor(log_prob).exp().item() for text, log_prob in leaves(model).items()}
    counts = Counter(tuple(texts) for texts in drawn(1, list(range(4000)), model))
    assert chi_square(counts, shares) < 22.5


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 1000))
@settings(deadline=None)
def test_search_as_wide_as_the_tree_finds_every_text_by_its_perturbed_value(seed: int, table: int) -> None:
    model = TableModel(3, seed=table)
    asked = asked_for(7, 2)
    [found] = hypotheses(search(model, [PROMPT], asked, seeds=[seed]), asked)
    expected = leaves(model)
    assert {tuple(item.tokens) for item in found} == expected.keys()
    for item in found:
        assert item.log_prob == pytest.approx(expected[tuple(item.tokens)], abs=1e-5)
    scores = [item.score for item in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 0, "the highest of all texts is the root's own value"


@given(st.integers(0, 2**31), st.integers(1, 4))
@settings(deadline=None)
def test_texts_of_one_group_are_distinct(seed: int, num_beams: int) -> None:
    model = TableModel(6, seed=seed)
    asked = asked_for(num_beams, 5, groups=2)
    [groups] = hypotheses_by_group(search(model, [PROMPT], asked, seeds=[seed]), asked)
    assert [len({tuple(item.tokens) for item in group}) for group in groups] == [num_beams, num_beams]


def test_no_way_of_early_stopping_changes_a_sample() -> None:
    model = TableModel(4, seed=7)
    seeds = list(range(60))
    early, late = (
        hypotheses(search(model, [PROMPT] * len(seeds), asked, seeds=seeds), asked)
        for asked in (asked_for(3, 6), replace(asked_for(3, 6), early_stopping="never", length_penalty=0.0))
    )
    assert early == late


def test_groups_draw_different_samples() -> None:
    model = TableModel(20, seed=1, sharpness=0.1)
    asked = asked_for(3, 5, groups=2)
    [[one, two]] = hypotheses_by_group(search(model, [PROMPT], asked, seeds=[1]), asked)
    assert {tuple(item.tokens) for item in one}.isdisjoint(tuple(item.tokens) for item in two)


@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=4), st.integers(1, 4))
@settings(deadline=None)
def test_seed_decides_whatever_else_is_in_the_batch(seeds: list[int], num_beams: int) -> None:
    model = TableModel(8, seed=2)
    asked = asked_for(num_beams, 5)
    together = hypotheses(search(model, [PROMPT] * len(seeds), asked, seeds=seeds), asked)
    for seed, found in zip(seeds, together, strict=True):
        [alone] = hypotheses(search(model, [PROMPT], asked, seeds=[seed]), asked)
        assert [item.tokens for item in alone] == [item.tokens for item in found]
        assert [item.score for item in alone] == pytest.approx([item.score for item in found], abs=1e-4)


def test_other_seeds_give_other_texts() -> None:
    model = TableModel(20, seed=1, sharpness=0.1)
    asked = asked_for(2, 5)
    found = hypotheses(search(model, [PROMPT] * 30, asked, seeds=list(range(30))), asked)
    assert len({tuple(item.tokens) for items in found for item in items}) > 50


def test_shortlist_of_perturbed_scores_is_enough() -> None:
    model = TableModel(30, seed=4)
    asked = asked_for(3, 5)
    whole, short = (search(model, [PROMPT, [2, 3]], asked, shortlist=size, seeds=[1, 2]) for size in (None, 6))
    assert hypotheses(short, asked) == hypotheses(whole, asked)


def perturbed(log_probs: Tensor, seed: int = 0) -> Tensor:
    beams = open_beams(1, asked_for(1, 2), CPU)
    return perturb(log_probs.view(1, 1, 1, -1), beams, torch.tensor([seed])).flatten()


def test_forbidden_token_stays_forbidden_and_the_rest_finite() -> None:
    log_probs = torch.tensor([-torch.inf, 0.5, 0.5]).log_softmax(-1)
    scores = perturbed(log_probs)
    assert scores[0] == -torch.inf
    assert scores[1:].isfinite().all()
    assert perturbed(torch.full((4,), -torch.inf)).tolist() == [-torch.inf] * 4


def test_child_of_a_certain_token_takes_its_parents_value() -> None:
    assert perturbed(torch.tensor([0.0, -torch.inf])).tolist() == [0, -torch.inf]


def test_no_child_is_above_its_parent_in_a_large_vocabulary() -> None:
    log_probs = torch.randn(65024, generator=torch.Generator().manual_seed(0)).mul(3).log_softmax(-1)
    for seed in range(20):
        scores = perturbed(log_probs, seed)
        assert scores.isfinite().all()
        assert scores.max() == 0
        assert (scores == 0).sum() == 1


def test_noise_is_the_same_number_everywhere() -> None:
    """The integers behind it are exact, so a change of the hash, which changes every seeded answer, shows here."""
    scores = perturbed(torch.zeros(4).log_softmax(-1), seed=123)
    assert scores.tolist() == pytest.approx([-0.78718, 0.0, -0.39956, -1.8726], abs=1e-4)


def test_seat_that_begins_afresh_draws_the_same_noise() -> None:
    asked = asked_for(2, 2)
    beams = open_beams(2, asked, CPU)
    log_probs = torch.zeros(2, 1, 2, 5).log_softmax(-1)
    seeds = torch.tensor([3, 4])
    before = perturb(log_probs, beams, seeds)
    beams.num_steps += 1
    assert not torch.equal(perturb(log_probs, beams, seeds), before)
    reset(beams, torch.tensor([0, 1]), asked)
    assert torch.equal(perturb(log_probs, beams, seeds), before)
