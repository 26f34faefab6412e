"""Whether a place in the answer draws thumbs by itself, and the weights that take this out. It knows no texts.

A thumb that its place makes likely counts less: its weight is the inverse of how much more often that place gets it
than all places do (inverse propensity, Joachims et al. 2017, arXiv 1608.04468). The first place may well be better, so
weights stay between a half and two, and without significance they are all 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainer.feedback.feedback_config import FeedbackConfig
from trainer.feedback.significance import chi_square_tail
from trainer.feedback.vote import Vote

MIN_WEIGHT, MAX_WEIGHT = 0.5, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankBias:
    """Thumbs by rank as (up, down), the error probability of a bias (None: too few votes), and thumbs' weights."""

    thumbs: Mapping[int, tuple[int, int]]
    p: float | None = None
    up_weights: Mapping[int, float] = field(default_factory=dict)
    down_weights: Mapping[int, float] = field(default_factory=dict)

    @property
    def is_corrected(self) -> bool:
        """Say whether weights differ from 1."""
        return bool(self.up_weights)

    def weight_of(self, vote: Vote) -> float:
        """Return what a thumb at its rank counts; a correction, which is typed, always counts 1."""
        weights = self.up_weights if vote.is_up else self.down_weights
        return 1.0 if vote.is_correction else weights.get(vote.rank, 1.0)


def rank_bias(votes: Sequence[Vote], config: FeedbackConfig) -> RankBias:
    """Return the bias of the ranks that have `min_rank_votes` or more, by a chi-square test of their liked shares."""
    thumbs: dict[int, tuple[int, int]] = {}
    for vote in votes:
        if not vote.is_correction:
            up, down = thumbs.get(vote.rank, (0, 0))
            thumbs[vote.rank] = (up + vote.is_up, down + (not vote.is_up))
    thumbs = dict(sorted(thumbs.items()))
    tested = {rank: each for rank, each in thumbs.items() if sum(each) >= config.min_rank_votes}
    total_up, total_down = sum(up for up, _ in tested.values()), sum(down for _, down in tested.values())
    if len(tested) < 2 or not total_up or not total_down:
        return RankBias(thumbs=thumbs)
    share = total_up / (total_up + total_down)
    value = sum((up - share * (up + down)) ** 2 / ((up + down) * share * (1 - share)) for up, down in tested.values())
    p = chi_square_tail(value, len(tested) - 1)
    if p >= config.max_p:
        return RankBias(thumbs=thumbs, p=p)
    return RankBias(
        thumbs=thumbs,
        p=p,
        up_weights={rank: _weight(share, up, up + down) for rank, (up, down) in tested.items()},
        down_weights={rank: _weight(1 - share, down, up + down) for rank, (up, down) in tested.items()},
    )


def _weight(usual_share: float, count: int, total: int) -> float:
    return min(MAX_WEIGHT, max(MIN_WEIGHT, usual_share * total / count)) if count else MAX_WEIGHT
