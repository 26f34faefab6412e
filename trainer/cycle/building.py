"""From the votes of this moment to what a cycle learns from: settled, held out in part, and put in the run's form.

It knows no database and no model; what it returns is frozen by trainer/cycle/folder.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.rated_pairs import PreferredPrompt, RatedOrigin, RatedPair
from core.ratings import RatedPrompt
from trainer.cycle.folder import FrozenExamples, JudgedPrompt
from trainer.cycle_config import CycleConfig
from trainer.feedback.hold_out import hold_out
from trainer.feedback.report import FeedbackReport
from trainer.feedback.settle import settle
from trainer.feedback.verdicts import Label, Verdict
from trainer.objective import Objective, choose_objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What the votes give: the examples, what became of the votes, and what is made of them."""

    examples: FrozenExamples
    report: FeedbackReport
    objective: Objective

    def as_dict(self) -> dict[str, object]:
        """Return what may be kept and shown: no text of anybody's."""
        return {
            "report": self.report.as_dict(),
            "objective": str(self.objective.kind),
            "why": self.objective.why,
            "missing": self.objective.missing,
            "num_learning": len(self.examples.rated),
            "num_held_out": len(self.examples.held_out),
        }


def build(rated: Sequence[RatedPrompt], config: CycleConfig, *, now: datetime) -> Built:
    """Settle the votes as of `now` (UTC), choose the objective by what there is, and hold a part out to measure on."""
    settled = settle(rated, config.feedback, now=now)
    division = hold_out(settled, share=config.training.held_out_share)
    examples = FrozenExamples(
        rated=tuple(_rated_pair(verdict) for verdict in division.learning.verdicts),
        preferred=tuple(
            PreferredPrompt(
                subject=pair.subject,
                parameters=pair.parameters,
                chosen=pair.chosen,
                rejected=pair.rejected,
                vote_event_ids=pair.vote_event_ids,
                weight=pair.weight,
            )
            for pair in division.learning.pairs
        ),
        held_out=tuple(
            JudgedPrompt(
                request_id=verdict.request_id,
                subject=verdict.subject,
                prompt=verdict.prompt,
                parameters=verdict.parameters,
                is_liked=verdict.label is Label.LIKED,
                vote_event_ids=verdict.vote_event_ids,
            )
            for verdict in division.held_out
            if verdict.label is not Label.CORRECTED
        ),
    )
    return Built(examples=examples, report=settled.report, objective=choose_objective(settled, config.objective))


def told_of_closed(built: Built, num_closed: int) -> Built:
    """Return `built`; where nobody agreed to any of the votes, `num_closed` in all, that is what is missing."""
    if built.report.num_votes or not num_closed:
        return built
    missing = f"None of those who cast the {num_closed} votes has agreed to be learned from yet; they do by /privacy."
    return replace(built, objective=replace(built.objective, missing=missing))


def _rated_pair(verdict: Verdict) -> RatedPair:
    is_liked = verdict.label is not Label.DISLIKED
    return RatedPair(
        subject=verdict.subject,
        prompt=verdict.prompt,
        parameters=verdict.parameters,
        origin=RatedOrigin.CORRECTION if verdict.label is Label.CORRECTED else RatedOrigin.VOTE,
        num_up=int(is_liked),
        num_down=int(not is_liked),
        vote_event_ids=verdict.vote_event_ids,
        weight=verdict.weight,
    )
