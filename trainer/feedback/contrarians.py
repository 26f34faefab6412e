"""People who vote against the community's taste, and not merely by another one.

Each rater is one of three kinds: follows the taste, is independent of it, or opposes it. How likely each kind makes
a rater's votes is a logistic slope of plus, zero or minus on the others' forecast, with the rater's own readiness to
like left free. Shares of the kinds and trust in raters are found in turns (expectation-maximisation after Dawid & Skene
1979; texts in place of common items after Raykar et al. 2010, JMLR 11). The majority defines the taste.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.feedback.taste import Floats, Texts, best_ridge, forecast, read_texts
from trainer.feedback.vote import Vote

MIN_RATERS = 4  # a majority of fewer means nothing
_ROUNDS = 5
_PRIOR = np.array([8.0, 1.5, 0.5])  # of following, independent, opposing raters, as if so many had been seen before


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a rater stands: probabilities of the kinds, and how much better opposing explains their votes, in nats.

    `agreement` is the share of pairs, one liked and one disliked, that the others' taste puts in the same order (AUC);
    None where the rater gave one thumb only.
    """

    rater: str
    num_votes: int
    follows: float
    opposes: float
    evidence_nats: float
    agreement: float | None


def standings(votes: Sequence[Vote]) -> list[Standing]:
    """Return where each rater stands, the most opposing first; nothing for fewer than `MIN_RATERS` people."""
    if len({vote.rater for vote in votes}) < MIN_RATERS:
        return []
    texts = read_texts(votes)
    raters = list(texts.rows)
    kinds, trust = _PRIOR / _PRIOR.sum(), dict.fromkeys(raters, 1.0)
    score, fits, posterior = np.zeros(len(votes)), np.zeros((len(raters), 3)), np.tile(kinds, (len(raters), 1))
    ridge = best_ridge(texts)
    for _ in range(_ROUNDS):
        score = forecast(texts, trust, ridge=ridge)
        fits = _fits(texts, score, _slope(texts, score, trust))
        posterior = _posterior(fits, kinds)
        kinds = (posterior.sum(axis=0) + _PRIOR) / (len(raters) + _PRIOR.sum())
        trust = {rater: float(row[0] - row[2]) for rater, row in zip(raters, posterior, strict=True)}
    found = [
        Standing(
            rater=rater,
            num_votes=len(texts.rows[rater]),
            follows=float(row[0]),
            opposes=float(row[2]),
            evidence_nats=float(fit[2] - max(fit[0], fit[1])),
            agreement=_auc(texts.thumbs[texts.rows[rater]], score[texts.rows[rater]]),
        )
        for rater, fit, row in zip(raters, fits, posterior, strict=True)
    ]
    return sorted(found, key=lambda each: (-each.opposes, -each.evidence_nats, each.rater))


def _slope(texts: Texts, score: Floats, trust: dict[str, float]) -> float:
    """Return how steeply trusted thumbs rise with the forecast: one logistic slope for all, by a search on a grid."""
    grid = np.array([0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
    gains = np.zeros(len(grid))
    for rater, rows in texts.rows.items():
        sign = 1.0 if trust[rater] >= 0 else -1.0
        gains += abs(trust[rater]) * np.array(
            [_log_fit(texts.thumbs[rows], sign * each * score[rows]) for each in grid]
        )
    return float(grid[int(np.argmax(gains))])


def _fits(texts: Texts, score: Floats, slope: float) -> Floats:
    """Return the log-likelihood of each rater's votes by kind (raters by 3)."""
    signs = (slope, 0.0, -slope)
    return np.array([[_log_fit(texts.thumbs[own], sign * score[own]) for sign in signs] for own in texts.rows.values()])


def _log_fit(thumbs: Floats, logits: Floats) -> float:
    """Return the log-likelihood of the thumbs at the best common offset, which a weak prior (variance 4) holds."""
    offset = 0.0
    for _ in range(12):
        chance = 1 / (1 + np.exp(-(logits + offset)))
        slope = float(np.sum((thumbs > 0) - chance)) - offset / 4
        offset += slope / (float(np.sum(chance * (1 - chance))) + 0.25)
    return -float(np.sum(np.logaddexp(0.0, -thumbs * (logits + offset)))) - offset**2 / 8


def _posterior(fits: Floats, kinds: Floats) -> Floats:
    logs = fits + np.log(kinds)
    shares: Floats = np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))
    return shares


def _auc(thumbs: Floats, score: Floats) -> float | None:
    liked, disliked = score[thumbs > 0], score[thumbs < 0]
    if not len(liked) or not len(disliked):
        return None
    above = liked[:, None] - disliked[None, :]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))
