"""The whole way from people's votes to examples, pairs and a report: screen, weigh, judge, pair.

Pure and repeatable: the same votes, settings and moment give the same examples. It knows no database and no model.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.ratings import RatedPrompt
from trainer.feedback.agreement import nominal_alpha
from trainer.feedback.feedback_config import FeedbackConfig
from trainer.feedback.pairing import Preference, preferences
from trainer.feedback.position import RankBias, rank_bias
from trainer.feedback.report import FeedbackReport, rank_lines
from trainer.feedback.screening import DropReason, Screened, screen
from trainer.feedback.verdicts import Verdict, Verdicts, verdicts_of
from trainer.feedback.vote import Vote, votes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What the votes say: examples, pairs of them, and what was dropped and why."""

    verdicts: tuple[Verdict, ...]
    pairs: tuple[Preference, ...]
    report: FeedbackReport


def settle(rated: Sequence[RatedPrompt], config: FeedbackConfig, *, now: datetime) -> Settled:
    """Return the examples that `rated` gives at the moment `now` (UTC)."""
    votes = votes_of(rated)
    screened = screen(votes, config, now=now)
    bias = rank_bias(screened.votes, config)
    judged = verdicts_of(rated, screened.votes, bias, min_raters=config.min_raters)
    pairs = preferences(judged.verdicts, min_distance=config.min_pair_distance)
    report = _report(votes, screened, bias, judged, num_pairs=len(pairs))
    return Settled(verdicts=judged.verdicts, pairs=pairs, report=report)


def _report(
    votes: Sequence[Vote], screened: Screened, bias: RankBias, judged: Verdicts, *, num_pairs: int
) -> FeedbackReport:
    used = {event for verdict in judged.verdicts for event in verdict.vote_event_ids}
    undecided = Counter({DropReason.QUORUM: judged.num_below_quorum, DropReason.TIE: judged.num_tied})
    return FeedbackReport(
        num_votes=len(votes),
        num_people=len({vote.rater for vote in votes}),
        num_prompts=len({vote.candidate_id for vote in votes}),
        num_raters=len({vote.rater for vote in screened.votes if vote.vote_event_id in used}),
        num_rated_prompts=len({verdict.candidate_id for verdict in judged.verdicts}),
        num_pairs=num_pairs,
        dropped=screened.dropped + undecided,
        labels=Counter(verdict.label for verdict in judged.verdicts),
        suspects=screened.suspects,
        alpha=nominal_alpha(votes),
        ranks=rank_lines(bias),
        bias_p=bias.p,
        max_votes=screened.max_votes,
        num_capped_raters=screened.num_capped_raters,
    )
