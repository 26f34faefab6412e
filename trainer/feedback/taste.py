"""The community's taste, read off the texts that people liked, and each vote's forecast by everybody else.

Most prompts have one rater, so people are compared by what the prompts say. Ridge regression of the thumbs on words,
word pairs, parameters and length gives a score; each rater's own votes are left out of the score that judges them, by
the block form of the leave-one-out residual (Cook & Weisberg 1982, §3.6). It knows nothing of suspicion.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trainer.feedback.vote import Vote

MAX_FEATURES = 400  # the commonest; one fit takes a matrix of that side
MIN_FEATURE_VOTES = 3
RIDGES = (3.0, 10.0, 30.0)
_PAIR_SCALE = 0.7  # word pairs explain less than words

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Votes as numbers: features (votes by features), thumbs of ±1, and the rows of each rater."""

    features: Floats
    thumbs: Floats
    rows: dict[str, NDArray[np.intp]]


def read_texts(votes: Sequence[Vote]) -> Texts:
    """Return the votes as numbers; features that fewer than `MIN_FEATURE_VOTES` votes have are left out."""
    marks = [dict(_marks(vote)) for vote in votes]
    counts = Counter(mark for found in marks for mark in found)
    usual = sorted(
        (mark for mark, count in counts.items() if count >= MIN_FEATURE_VOTES), key=lambda m: (-counts[m], m)
    )
    column = {mark: place for place, mark in enumerate(usual[:MAX_FEATURES], start=2)}
    features = np.zeros((len(votes), len(column) + 2))
    features[:, 0] = 1.0
    features[:, 1] = _standard(np.log1p([len(vote.words) for vote in votes]))
    for row, found in enumerate(marks):
        for mark, scale in found.items():
            if mark in column:
                features[row, column[mark]] = scale
    rows: dict[str, list[int]] = {}
    for row, vote in enumerate(votes):
        rows.setdefault(vote.rater, []).append(row)
    return Texts(
        features=features,
        thumbs=np.where([vote.is_up for vote in votes], 1.0, -1.0),
        rows={rater: np.array(own) for rater, own in rows.items()},
    )


def best_ridge(texts: Texts) -> float:
    """Return the ridge of `RIDGES` by which everybody's votes forecast the others' best."""
    trust = dict.fromkeys(texts.rows, 1.0)
    scores = {ridge: forecast(texts, trust, ridge=ridge) for ridge in RIDGES}
    return min(scores, key=lambda ridge: float(np.sum((texts.thumbs - scores[ridge]) ** 2)))


def forecast(texts: Texts, trust: dict[str, float], *, ridge: float) -> Floats:
    """Return each vote's score by everybody else's taste, above 0 where they would like the text.

    `trust` weighs each rater from 1 (follows the taste) over 0 to -1 (does the opposite, so the reverse is learned).
    """
    weights = np.ones(len(texts.thumbs))
    for rater, rows in texts.rows.items():
        weights[rows] = trust[rater]
    return _left_out(texts, np.abs(weights), np.sign(weights) * texts.thumbs, ridge)


def _left_out(texts: Texts, weights: Floats, target: Floats, ridge: float) -> Floats:
    """Return the score of each vote by a fit without its rater's votes."""
    features = texts.features
    penalty = np.full(features.shape[1], ridge)
    penalty[0] = 1.0
    inverse = np.linalg.inv(features.T @ (features * weights[:, None]) + np.diag(penalty))
    fitted = features @ (inverse @ (features.T @ (weights * target)))
    for rows in texts.rows.values():
        own = features[rows]
        pull = own @ inverse @ own.T * weights[rows]
        fitted[rows] = np.linalg.solve(np.eye(len(rows)) - pull, fitted[rows] - pull @ target[rows])
    return fitted


def _marks(vote: Vote) -> Iterable[tuple[str, float]]:
    yield f"prompt {vote.candidate_id}", 1.0  # where several people rated one prompt, they are compared by it
    for word in vote.own_words:
        yield word, 1.0
    for first, second in pairwise(vote.own_words):
        yield f"{first} {second}", _PAIR_SCALE
    for parameter in vote.parameters:
        yield parameter.split(" ", 1)[0], 1.0
        yield parameter, 1.0


def _standard(values: Floats) -> Floats:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)
