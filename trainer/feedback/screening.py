"""Whose votes count: every rule in its order, with what each one drops and whom it names.

Rules that need no text come first, so that a flood does not bend the taste that the later ones compare with.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trainer.feedback.caps import capped
from trainer.feedback.contrarians import Standing, standings
from trainer.feedback.feedback_config import FeedbackConfig
from trainer.feedback.habits import SerialVoter, bursts, is_quarantined, serial_voters
from trainer.feedback.phrases import Push, pushes
from trainer.feedback.vote import Vote


class DropReason(StrEnum):
    """Why a vote does not count."""

    QUARANTINE = "quarantine"  # its rater is new; it waits
    BURST = "burst"  # too many presses in too short a time
    SERIAL = "serial"  # its rater presses one thumb always
    PHRASE = "phrase"  # its rater pushes a phrase
    CONTRARIAN = "contrarian"  # its rater votes against the community's taste
    CAP = "cap"  # its rater has as many votes as one person may have
    QUORUM = "quorum"  # too few people rated its prompt
    TIE = "tie"  # those who rated its prompt disagree


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A person none of whose votes count; `evidence` is one sentence, `phrase` what they push, if that is it."""

    rater: str
    reason: DropReason
    num_votes: int
    evidence: str
    phrase: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """The votes that count, what was dropped by reason, and who is named. `max_votes` is the cap for each label."""

    votes: tuple[Vote, ...]
    dropped: Counter[DropReason]
    suspects: tuple[Suspect, ...]
    max_votes: dict[str, int]
    num_capped_raters: int


def screen(votes: Sequence[Vote], config: FeedbackConfig, *, now: datetime) -> Screened:
    """Return what is left of `votes`, which stand in the order of the presses."""
    dropped: Counter[DropReason] = Counter()
    settled = [vote for vote in votes if not is_quarantined(vote, config, now=now)]
    dropped[DropReason.QUARANTINE] = len(votes) - len(settled)
    rushed = bursts(settled, config)
    kept = [vote for vote in settled if vote.vote_event_id not in rushed]
    dropped[DropReason.BURST] = len(settled) - len(kept)
    suspects: list[Suspect] = []
    for rule in (_serial, _phrase, _contrarian):
        found = rule(kept, config)
        suspects += found
        named = {suspect.rater for suspect in found}
        dropped.update(suspect.reason for suspect in found for _ in range(suspect.num_votes))
        kept = [vote for vote in kept if vote.rater not in named]
    capping = capped(kept, config)
    dropped[DropReason.CAP] = len(kept) - len(capping.votes)
    return Screened(
        votes=capping.votes,
        dropped=+dropped,
        suspects=tuple(suspects),
        max_votes=capping.max_votes,
        num_capped_raters=capping.num_raters,
    )


def _serial(votes: Sequence[Vote], config: FeedbackConfig) -> list[Suspect]:
    return [
        Suspect(rater=each.rater, reason=DropReason.SERIAL, num_votes=each.num_votes, evidence=_serial_evidence(each))
        for each in serial_voters(votes, config)
    ]


def _phrase(votes: Sequence[Vote], config: FeedbackConfig) -> list[Suspect]:
    return [suspect for push in pushes(votes, max_p=config.max_p) for suspect in _pushers(push, votes)]


def _contrarian(votes: Sequence[Vote], config: FeedbackConfig) -> list[Suspect]:
    """Return those who oppose the taste; the method weighs all raters at once, so one pass names them all."""
    return [
        Suspect(
            rater=each.rater,
            reason=DropReason.CONTRARIAN,
            num_votes=each.num_votes,
            evidence=f"Agrees with everybody else's taste on {each.agreement:.0%} of liked and disliked pairs; "
            f"opposing it explains the votes e^{each.evidence_nats:.1f} times better than any other stance.",
        )
        for each in (standings(votes) if config.max_contrarian_agreement else ())
        if each.agreement is not None and _opposes(each, each.agreement, config)
    ]


def _opposes(standing: Standing, agreement: float, config: FeedbackConfig) -> bool:
    return (
        standing.num_votes >= config.min_contrarian_votes
        and standing.opposes >= config.min_contrarian_chance
        and agreement <= config.max_contrarian_agreement
    )


def _pushers(push: Push, votes: Sequence[Vote]) -> Iterable[Suspect]:
    for rater in push.raters:
        yield Suspect(
            rater=rater,
            reason=DropReason.PHRASE,
            num_votes=sum(vote.rater == rater for vote in votes),
            evidence=f"{len(push.raters)} raters liked {push.num_up} of {push.num_votes} prompts with "
            f"“{push.phrase}”, where everybody else would like {push.others_share:.0%} (p = {push.p:.1e}).",
            phrase=push.phrase,
        )


def _serial_evidence(each: SerialVoter) -> str:
    thumb = "up" if each.is_up else "down"
    return (
        f"Pressed thumbs {thumb} on {each.num_same} of {each.num_votes} prompts, where all others do so on "
        f"{each.others_share:.0%} (p = {each.p:.1e})."
    )
