"""Probabilities that a count is chance: binomial and chi-square tails. It knows nothing of votes."""

import math


def binomial_tail(num_hits: int, num_tries: int, chance: float) -> float:
    """Return the probability of `num_hits` or more out of `num_tries`, each a hit with `chance`."""
    if num_hits <= 0:
        return 1.0
    if not 0 < chance < 1:
        return float(chance >= 1)
    terms = (_log_binomial(hits, num_tries, chance) for hits in range(num_hits, num_tries + 1))
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def hypergeometric_tail(num_both: int, num_first: int, num_second: int, num_all: int) -> float:
    """Return the probability that `num_both` or more of `num_first` picks fall into `num_second` of `num_all` things.

    It is the one-sided exact test of Fisher (1935).
    """
    ways = math.comb(num_all, num_first)
    counts = range(num_both, min(num_first, num_second) + 1)
    return (
        sum(math.comb(num_second, both) * math.comb(num_all - num_second, num_first - both) for both in counts) / ways
    )


def chi_square_tail(value: float, freedom: int) -> float:
    """Return the probability of `value` or more by the cube-root approximation (Wilson & Hilferty 1931)."""
    if freedom < 1 or value <= 0:
        return 1.0
    spread = 2 / (9 * freedom)
    return math.erfc((math.cbrt(value / freedom) - 1 + spread) / math.sqrt(2 * spread)) / 2


def _log_binomial(hits: int, tries: int, chance: float) -> float:
    ways = math.lgamma(tries + 1) - math.lgamma(hits + 1) - math.lgamma(tries - hits + 1)
    return ways + hits * math.log(chance) + (tries - hits) * math.log1p(-chance)
