"""What the votes are enough for: nothing, imitation, learning from single thumbs, or learning from pairs.

A decision on counts alone. It knows no texts, no model, and not how an objective is trained.
"""

from dataclasses import dataclass
from enum import StrEnum

from core.errors import ConfigError
from trainer.feedback.settle import Settled
from trainer.feedback.verdicts import Label


class ObjectiveKind(StrEnum):
    """How is learned, from the least evidence to the most."""

    NOTHING = "nothing"
    SUPERVISED = "supervised"  # imitate what was liked or corrected, with replay
    KTO = "kto"  # liked against disliked, one text at a time (Ethayarajh et al. 2024, arXiv 2402.01306)
    DPO = (
        "dpo"  # liked against disliked of one request, with a supervised term (Rafailov et al. 2023, arXiv 2305.18290)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveConfig:
    """How much evidence each objective needs; `max_imbalance` is how many of one label may stand against one other."""

    min_rated_prompts: int = 50
    kto_min_rated_prompts: int = 150
    kto_min_raters: int = 10
    max_imbalance: float = 20.0
    dpo_min_pairs: int = 2000

    def __post_init__(self) -> None:
        for name in ("min_rated_prompts", "kto_min_rated_prompts", "kto_min_raters", "max_imbalance", "dpo_min_pairs"):
            if not getattr(self, name) >= 1:  # a comparison with NaN is false, so NaN never passes
                raise ConfigError(f"{name} = {getattr(self, name)!r} is out of range; set 1 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What is trained and why, in one sentence each; `missing` says what nothing is trained for, else it is None."""

    kind: ObjectiveKind
    why: str
    missing: str | None = None


def choose_objective(settled: Settled, config: ObjectiveConfig) -> Objective:
    """Return the strongest objective that the examples are enough for."""
    report = settled.report
    num_rated, num_pairs = report.num_rated_prompts, report.num_pairs
    missing = _missing(settled, config)
    if missing is not None:
        return Objective(kind=ObjectiveKind.NOTHING, why="Too little to learn from yet.", missing=missing)
    if num_pairs >= config.dpo_min_pairs and report.num_raters >= config.kto_min_raters:
        why = f"{num_pairs} pairs of a liked and a disliked prompt for one idea differ enough to compare them."
        return Objective(kind=ObjectiveKind.DPO, why=why)
    shortage = _kto_shortage(settled, config)
    if shortage is None:
        why = f"{num_rated} rated prompts of {report.num_raters} people, liked and disliked ones, can be contrasted."
        return Objective(kind=ObjectiveKind.KTO, why=why)
    why = f"{num_rated} rated prompts are enough to imitate what was liked or corrected; {shortage}."
    return Objective(kind=ObjectiveKind.SUPERVISED, why=why)


def _missing(settled: Settled, config: ObjectiveConfig) -> str | None:
    num_rated, needed = settled.report.num_rated_prompts, config.min_rated_prompts
    if num_rated < needed:
        lacking = needed - num_rated
        noun, verb = ("prompt", "is") if lacking == 1 else ("prompts", "are")
        return f"{lacking} more rated {noun} {verb} needed ({num_rated} of {needed})."
    if num_to_imitate(settled) == 0:
        return f"Liked or corrected prompts are needed: all {num_rated} rated prompts were disliked."
    return None


def num_to_imitate(settled: Settled) -> int:
    """Return how many examples a supervised objective has: the liked and the corrected ones."""
    return sum(verdict.label is not Label.DISLIKED for verdict in settled.verdicts)


def _kto_shortage(settled: Settled, config: ObjectiveConfig) -> str | None:
    """Return what is missing for the contrast of liked and disliked texts, or None."""
    report = settled.report
    num_disliked = report.labels.get(Label.DISLIKED, 0)
    fewer, more = sorted((num_disliked, len(settled.verdicts) - num_disliked))
    if report.num_rated_prompts < config.kto_min_rated_prompts:
        return f"to learn from dislikes too, {config.kto_min_rated_prompts} are needed"
    if report.num_raters < config.kto_min_raters:
        return f"to learn from dislikes too, {config.kto_min_raters} people are needed, not {report.num_raters}"
    if more > config.max_imbalance * fewer:
        return f"likes and dislikes are too uneven to contrast them ({more} against {fewer})"
    return None
