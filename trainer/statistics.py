"""The statistics that the gate and the canary stand on, as pure functions of numbers.

It knows no model, no vote and no threshold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value and its one-sided confidence bounds: `lower` and `upper` each hold with the confidence asked for."""

    value: float
    lower: float
    upper: float


def wilson_interval(num_up: int, num_all: int, *, confidence: float) -> tuple[float, float]:
    """Return one-sided bounds of a share, each with `confidence`; 0 and 1 without a trial.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if num_all == 0:
        return 0.0, 1.0
    z, share = NormalDist().inv_cdf(confidence), num_up / num_all
    scale = 1 + z * z / num_all
    middle = (share + z * z / (2 * num_all)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / num_all + z * z / (4 * num_all * num_all))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def share_difference_upper_bound(old_up: int, old_all: int, new_up: int, new_all: int, *, confidence: float) -> float:
    """Return an upper bound of the new share minus the old one; at least one trial on each side.

    Source: Newcombe 1998, "Interval Estimation for the Difference Between Independent Proportions", method 10.
    """
    old, new = old_up / old_all, new_up / new_all
    old_lower, _ = wilson_interval(old_up, old_all, confidence=confidence)
    _, new_upper = wilson_interval(new_up, new_all, confidence=confidence)
    return new - old + math.hypot(new_upper - new, old - old_lower)


def mixture_likelihood_ratio(old_up: int, old_all: int, new_up: int, new_all: int, *, tau: float) -> float:
    """Return how much likelier two shares differ, by N(0, tau²), than not; at least one trial on each side.

    Whoever stops at the first look with a ratio of 1/alpha or more errs with a probability of about alpha, however
    often they look (Ville's inequality). The variance is that of equal shares, with half a thumb added to each end, so
    that unanimous votes leave some.

    Source: Johari, Pekelis, Walsh 2015, "Always Valid Inference", arXiv 1512.04922, the mixture SPRT of two streams.
    """
    pooled = (old_up + new_up + 0.5) / (old_all + new_all + 1)
    variance = pooled * (1 - pooled) * (1 / old_all + 1 / new_all)
    difference = new_up / new_all - old_up / old_all
    mixed = variance + tau * tau
    exponent = tau * tau * difference * difference / (2 * variance * mixed)
    return math.sqrt(variance / mixed) * math.exp(min(exponent, 700.0))  # beyond, a float overflows


def auc_estimate(
    scores: Floats, is_liked: NDArray[np.bool_], clusters: Sequence[str], *, confidence: float
) -> Estimate:
    """Return how likely a liked item scores above a disliked one, a tie counting half; NaN without both labels.

    Items of one cluster (a request) need not be independent. The standard error is never taken for less than it is for
    independent scores that say nothing, since estimated from few clusters it often comes out too small.

    Source: Obuchowski 1997, "Nonparametric Analysis of Clustered ROC Curve Data" (DeLong's placements, summed by
    cluster); the least standard error is that of Mann and Whitney 1947.
    """
    placements, value = _placements(scores, is_liked)
    num_liked, num_disliked = _label_counts(is_liked)
    if not num_liked or not num_disliked:
        return _bounds(math.nan, math.nan, confidence)
    chance = math.sqrt((num_liked + num_disliked + 1) / (12 * num_liked * num_disliked))
    error = _clustered_error(placements - value, is_liked, clusters)
    return _bounds(value, float(np.maximum(error, chance)), confidence)  # of a NaN and a number, a NaN


def auc_gain_estimate(
    old: Floats, new: Floats, is_liked: NDArray[np.bool_], clusters: Sequence[str], *, confidence: float
) -> Estimate:
    """Return how much the AUC of `new` scores is above that of `old` ones on the same items; NaN without both labels.

    Source: as `auc_estimate`; the pairing is DeLong, DeLong and Clarke-Pearson 1988.
    """
    (old_placements, old_value), (new_placements, new_value) = _placements(old, is_liked), _placements(new, is_liked)
    gain = new_value - old_value
    error = _clustered_error(new_placements - old_placements - gain, is_liked, clusters)
    return _bounds(gain, error, confidence)


def ratio_estimate(old: Floats, new: Floats, *, confidence: float) -> Estimate:
    """Return the sum of `new` over the sum of `old`, measured on the same items; NaN where `old` has no sum.

    Source: the linearized ratio estimator, Cochran 1977, "Sampling Techniques", section 6.4.
    """
    if len(old) < 2 or not old.sum() > 0:
        return _bounds(math.nan, math.nan, confidence)
    ratio = float(new.sum() / old.sum())
    rests = new - ratio * old
    error = math.sqrt(len(old) / (len(old) - 1) * float(rests @ rests)) / float(old.sum())
    return _bounds(ratio, error, confidence)


def _placements(scores: Floats, is_liked: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Return each item's share of won comparisons with the items of the other label, and the mean of them all."""
    liked, disliked = scores[is_liked, None], scores[None, ~is_liked]
    if not liked.size or not disliked.size:
        return np.full(len(scores), np.nan), math.nan
    wins = (liked > disliked) + 0.5 * (liked == disliked)  # (liked, disliked)
    found = np.empty(len(scores))
    found[is_liked], found[~is_liked] = wins.mean(axis=1), wins.mean(axis=0)
    return found, float(wins.mean())


def _clustered_error(rests: Floats, is_liked: NDArray[np.bool_], clusters: Sequence[str]) -> float:
    """Return the standard error of a mean over liked items plus one over disliked items, given their deviations."""
    num_liked, num_disliked = _label_counts(is_liked)
    names, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < 2 or not num_liked or not num_disliked:
        return math.nan
    sums = np.bincount(numbers, weights=rests / np.where(is_liked, num_liked, num_disliked))
    return math.sqrt(len(names) / (len(names) - 1) * float(sums @ sums))


def _label_counts(is_liked: NDArray[np.bool_]) -> tuple[int, int]:
    return int(is_liked.sum()), int((~is_liked).sum())


def _bounds(value: float, error: float, confidence: float) -> Estimate:
    half = NormalDist().inv_cdf(confidence) * error
    return Estimate(value=value, lower=value - half, upper=value + half)
