"""Who is named: attackers in a crowd whose prompts have one rater each, and nobody else."""

import pytest

from tests.trainer.rated_prompts import rated
from tests.trainer.voting_crowd import NOW, PHRASE, TASTES, crowd
from trainer.feedback.feedback_config import FeedbackConfig
from trainer.feedback.screening import DropReason, Suspect
from trainer.feedback.settle import settle

ATTACKERS = {"bad0", "bad1", "bad2"}
CONFIG = FeedbackConfig()


def named(seed: int, taste: str, *, num_attackers: int = 3, attack: str = "opposite", num_votes: int = 300) -> set[str]:
    """Return the accounts that the report names."""
    votes = crowd(
        seed, TASTES[taste], num_attackers=num_attackers, attack=attack, num_votes=num_votes, phrase_share=0.25
    )
    return {suspect.rater for suspect in settle(votes, CONFIG, now=NOW).report.suspects}


@pytest.mark.parametrize("taste", ("media", "short"))
def test_nobody_is_named_in_an_honest_crowd(taste: str) -> None:
    assert named(1, taste, num_attackers=0) == set()


@pytest.mark.parametrize("taste", TASTES)
def test_exactly_those_who_vote_the_opposite_are_named(taste: str) -> None:
    assert named(2, taste) == ATTACKERS


@pytest.mark.parametrize("taste", ("media", "parameter"))
def test_exactly_those_who_push_a_phrase_are_named(taste: str) -> None:
    assert named(3, taste, attack="phrase") == ATTACKERS


def test_no_honest_person_is_named_beside_people_of_another_taste() -> None:
    assert named(4, "media", attack="independent") <= ATTACKERS


def test_the_phrase_is_named_and_none_of_its_pushers_votes_is_learned_from() -> None:
    votes = crowd(3, TASTES["media"], num_attackers=3, attack="phrase", phrase_share=0.25)
    found = settle(votes, CONFIG, now=NOW)
    pushers = [suspect for suspect in found.report.suspects if suspect.reason is DropReason.PHRASE]
    assert pushers and all(suspect.phrase and suspect.phrase in PHRASE for suspect in pushers)
    assert not any(verdict.request_id.startswith("bad") for verdict in found.verdicts)


def test_somebody_who_always_presses_one_thumb_is_named() -> None:
    likes = [rated(n, "A", prompt=f"a boy in the snow, ink {n}") for n in range(20)]
    mixed = [rated(100 + n, "bCd"[n % 3], prompt=f"a boy in the snow, oil {n}") for n in range(30)]
    (suspect,) = settle([*likes, *mixed], CONFIG, now=NOW).report.suspects
    assert isinstance(suspect, Suspect)
    assert (suspect.rater, suspect.reason, suspect.num_votes) == ("a", DropReason.SERIAL, 20)
    assert suspect.evidence.startswith("Pressed thumbs up on 20 of 20 prompts")
