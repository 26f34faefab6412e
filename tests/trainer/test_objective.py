"""Which objective the examples are enough for, and what is said where they are not."""

from collections import Counter
from dataclasses import replace

import pytest

from core.errors import ConfigError
from tests.trainer.rated_prompts import rated
from tests.trainer.voting_crowd import NOW
from trainer.feedback.feedback_config import FeedbackConfig
from trainer.feedback.settle import Settled, settle
from trainer.feedback.verdicts import Label
from trainer.objective import ObjectiveConfig, ObjectiveKind, choose_objective

LIKED, DISLIKED = (settle([rated(1, thumb)], FeedbackConfig(), now=NOW) for thumb in ("A", "a"))


def examples(num_liked: int, num_disliked: int, *, num_raters: int = 12, num_pairs: int = 0) -> Settled:
    """Return as many examples, of which only the counts are looked at."""
    report = replace(
        LIKED.report,
        num_rated_prompts=num_liked + num_disliked,
        num_raters=num_raters,
        num_pairs=num_pairs,
        labels=Counter({Label.LIKED: num_liked, Label.DISLIKED: num_disliked}),
    )
    return Settled(verdicts=LIKED.verdicts * num_liked + DISLIKED.verdicts * num_disliked, pairs=(), report=report)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (examples(25, 24), ObjectiveKind.NOTHING),
        (examples(25, 25), ObjectiveKind.SUPERVISED),
        (examples(75, 74), ObjectiveKind.SUPERVISED),
        (examples(75, 75), ObjectiveKind.KTO),
        (examples(250, 250, num_raters=9), ObjectiveKind.SUPERVISED),
        (examples(500, 24), ObjectiveKind.SUPERVISED),
        (examples(500, 25), ObjectiveKind.KTO),
        (examples(500, 0), ObjectiveKind.SUPERVISED),
        (examples(250, 250, num_pairs=1999), ObjectiveKind.KTO),
        (examples(250, 250, num_pairs=2000), ObjectiveKind.DPO),
    ],
)
def test_objective_is_the_strongest_that_there_is_evidence_for(found: Settled, kind: ObjectiveKind) -> None:
    assert choose_objective(found, ObjectiveConfig()).kind is kind


def test_too_few_prompts_are_told_with_how_many_are_missing() -> None:
    assert choose_objective(examples(20, 12), ObjectiveConfig()).missing == (
        "18 more rated prompts are needed (32 of 50)."
    )
    assert choose_objective(examples(25, 24), ObjectiveConfig()).missing == (
        "1 more rated prompt is needed (49 of 50)."
    )


def test_dislikes_alone_teach_nothing() -> None:
    objective = choose_objective(examples(0, 60), ObjectiveConfig())
    assert objective.kind is ObjectiveKind.NOTHING
    assert objective.missing == "Liked or corrected prompts are needed: all 60 rated prompts were disliked."


def test_threshold_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="kto_min_raters = 0 is out of range; set 1 or more"):
        ObjectiveConfig(kto_min_raters=0)
