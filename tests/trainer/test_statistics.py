"""The statistics behind gate and canary, against brute force, textbook values and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.statistics import (
    auc_estimate,
    auc_gain_estimate,
    mixture_likelihood_ratio,
    ratio_estimate,
    share_difference_upper_bound,
    wilson_interval,
)

JUDGED = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=20)


def names(count: int, size: int = 1) -> list[str]:
    """Return clusters of `size` for `count` items."""
    return [str(number // size) for number in range(count)]


@settings(max_examples=60, deadline=None)
@given(JUDGED)
def test_auc_counts_won_comparisons_and_half_of_the_ties(judged: list[tuple[int, bool]]) -> None:
    scores, liked = np.array([float(score) for score, _ in judged]), np.array([flag for _, flag in judged])
    found = auc_estimate(scores, liked, names(len(judged)), confidence=0.95).value
    pairs = list(itertools.product(scores[liked], scores[~liked]))
    if not pairs:
        assert math.isnan(found)
        return
    assert found == pytest.approx(sum((up > down) + 0.5 * (up == down) for up, down in pairs) / len(pairs))


def test_error_of_clusters_of_one_is_delong_s() -> None:
    """The placements and their variances were worked out by hand: see the arrays."""
    old, new = np.array([1.0, 3.0, 2.0, 0.0]), np.array([2.0, 3.0, 1.0, 0.0])
    liked = np.array([True, True, False, False])
    found = auc_gain_estimate(old, new, liked, names(4), confidence=0.841344746)  # one standard error
    rests = np.array([0.25, -0.25, 0.25, -0.25])  # gains 1/2, 0 (liked) and 1/2, 0 (disliked), less their mean of 1/4
    assert found.value == pytest.approx(0.25)
    assert found.value - found.lower == pytest.approx(math.sqrt(4 / 3 * np.sum((rests / 2) ** 2)), rel=1e-6)


def test_repeating_every_item_in_its_cluster_brings_no_certainty() -> None:
    rng = np.random.default_rng(3)
    old, new, liked = rng.normal(size=50), rng.normal(size=50), rng.random(50) < 0.5
    once = auc_gain_estimate(old, new, liked, names(50), confidence=0.9)
    thrice = auc_gain_estimate(*(np.repeat(each, 3) for each in (old, new, liked)), names(150, 3), confidence=0.9)
    assert thrice.lower == pytest.approx(once.lower)


def test_few_scores_that_happen_to_rank_perfectly_are_not_taken_for_certain() -> None:
    liked = np.array([True] * 3 + [False] * 3)
    found = auc_estimate(liked * 1.0, liked, names(6), confidence=0.995)
    assert found.value == 1.0
    assert found.lower < 0.5


def test_one_cluster_alone_bounds_nothing() -> None:
    liked = np.array([True, False])
    assert math.isnan(auc_estimate(liked * 1.0, liked, ["a", "a"], confidence=0.9).lower)


def test_noise_is_above_chance_no_more_often_than_promised() -> None:
    rng = np.random.default_rng(11)
    liked, scores = rng.random((1500, 60)) < 0.5, rng.normal(size=(1500, 60))
    clusters = names(60, 4)
    passed = [auc_estimate(s, y, clusters, confidence=0.95).lower > 0.5 for s, y in zip(scores, liked, strict=True)]
    assert 0.01 < np.mean(passed) < 0.065


def test_ratio_and_its_bound_are_those_of_paired_sums() -> None:
    rng = np.random.default_rng(5)
    old = rng.uniform(50, 100, size=400)
    steady, shaken = old * 1.02, old * 1.02 + rng.normal(size=400)
    assert ratio_estimate(old, steady, confidence=0.95).upper == pytest.approx(1.02)
    found = ratio_estimate(old, shaken, confidence=0.95)
    assert found.value - found.lower == pytest.approx(1.645 / (75 * 20), rel=0.15)
    assert math.isnan(ratio_estimate(old[:1], steady[:1], confidence=0.95).upper)


def test_wilson_interval_has_the_textbook_s_values() -> None:
    low, high = wilson_interval(81, 263, confidence=0.975)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson_interval(0, 0, confidence=0.9) == (0.0, 1.0)


def test_difference_of_shares_has_newcombe_s_published_bound() -> None:
    """Newcombe 1998, table II, method 10: 56/70 against 48/80 gives 0.0524 to 0.3339."""
    assert share_difference_upper_bound(48, 80, 56, 70, confidence=0.975) == pytest.approx(0.3339, abs=5e-5)


def test_mixture_ratio_is_the_integral_over_differences() -> None:
    pooled = (30 + 45 + 0.5) / 161
    variance, difference, tau = pooled * (1 - pooled) * (1 / 80 + 1 / 80), 15 / 80, 0.1
    deltas = np.linspace(-2, 2, 400_001)
    prior = np.exp(-(deltas**2) / (2 * tau**2)) / (tau * math.sqrt(2 * math.pi))
    likelihoods = np.exp((difference**2 - (difference - deltas) ** 2) / (2 * variance))
    expected = float(np.sum(prior * likelihoods) * (deltas[1] - deltas[0]))
    assert mixture_likelihood_ratio(30, 80, 45, 80, tau=tau) == pytest.approx(expected, rel=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500), st.integers(1, 500))
def test_unanimous_votes_leave_a_finite_ratio(old: int, new: int) -> None:
    assert math.isfinite(mixture_likelihood_ratio(old, old, 0, new, tau=0.1))
    assert mixture_likelihood_ratio(old, old, new, new, tau=0.1) < 1
