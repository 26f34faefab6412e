"""What the votes that count say of each prompt, traceable to the presses. It knows no rule about who counts."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.ratings import RatedPrompt
from trainer.feedback.position import MAX_WEIGHT, RankBias
from trainer.feedback.vote import Vote


class Label(StrEnum):
    """What a text is an example of."""

    LIKED = "liked"
    DISLIKED = "disliked"
    CORRECTED = "corrected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One example: a text, what people think of it, and the presses that say so.

    The text of a correction is its author's, on the candidate that it replaces. `weight` is above 0, at most 1: how far
    its raters agree, times what the rank leaves of it. `num_up` and `num_down` are the thumbs that count.
    """

    candidate_id: str
    request_id: str
    subject: str
    prompt: str
    parameters: str
    rank: int
    label: Label
    weight: float
    num_up: int
    num_down: int
    vote_event_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Verdicts in the order of the rated prompts, and the votes that lead to none: too few raters, or a tie."""

    verdicts: tuple[Verdict, ...]
    num_below_quorum: int
    num_tied: int


def verdicts_of(rated: Iterable[RatedPrompt], votes: Sequence[Vote], bias: RankBias, *, min_raters: int) -> Verdicts:
    """Return the net verdict on each prompt, and each correction as a verdict of its own.

    A correction needs no quorum: nobody else sees it.
    """
    thumbs: defaultdict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        if not vote.is_correction:
            thumbs[vote.candidate_id].append(vote)
    corrections = {(vote.candidate_id, vote.rater) for vote in votes if vote.is_correction}
    found: list[Verdict] = []
    num_below_quorum = num_tied = 0
    for prompt in rated:
        own = thumbs[prompt.candidate_id]
        net = _net(own, bias)
        if len({vote.rater for vote in own}) < min_raters:
            num_below_quorum += len(own)
        elif not net:
            num_tied += len(own)
        else:
            found.append(_verdict(prompt, own, net))
        found += _corrected(prompt, corrections)
    return Verdicts(verdicts=tuple(found), num_below_quorum=num_below_quorum, num_tied=num_tied)


def _net(votes: Sequence[Vote], bias: RankBias) -> float:
    """Return the weighted thumbs up less those down for each vote, -1 to 1; 0 is a tie."""
    if not votes:
        return 0.0
    largest = MAX_WEIGHT if bias.is_corrected else 1.0
    net = sum(bias.weight_of(vote) * (1 if vote.is_up else -1) for vote in votes) / largest
    return 0.0 if abs(net) < 1e-9 else net / len(votes)


def _verdict(prompt: RatedPrompt, votes: Sequence[Vote], net: float) -> Verdict:
    num_up = sum(vote.is_up for vote in votes)
    return Verdict(
        candidate_id=prompt.candidate_id,
        request_id=prompt.request_id,
        subject=prompt.subject,
        prompt=prompt.prompt,
        parameters=prompt.parameters,
        rank=prompt.rank,
        label=Label.LIKED if net > 0 else Label.DISLIKED,
        weight=abs(net),
        num_up=num_up,
        num_down=len(votes) - num_up,
        vote_event_ids=tuple(vote.vote_event_id for vote in votes),
    )


def _corrected(prompt: RatedPrompt, counted: set[tuple[str, str]]) -> Iterable[Verdict]:
    for correction in prompt.corrections:
        if (prompt.candidate_id, correction.rater) in counted:
            yield Verdict(
                candidate_id=prompt.candidate_id,
                request_id=prompt.request_id,
                subject=prompt.subject,
                prompt=correction.prompt,
                parameters=prompt.parameters,
                rank=prompt.rank,
                label=Label.CORRECTED,
                weight=1.0,
                num_up=1,
                num_down=0,
                vote_event_ids=(correction.vote_event_id,),
            )
