"""Small groups whose likes hang on one phrase that nobody else likes as much.

A phrase is a run of one to four words. Somebody clings to it when most of their likes have it, nearly every prompt
with it is liked, and prompts without it are not. It is pushed when those who cling to it are a minority, the others do
not like it, and the likes are no chance: either by the others' share (binomial), or because each one's likes fall on
the phrase alone (hypergeometric). Bonferroni over the phrases that were tried, and over people where a group is chosen.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trainer.feedback.significance import binomial_tail, hypergeometric_tail
from trainer.feedback.vote import Vote, by_rater

MAX_PHRASE_WORDS = 4
_MIN_LIKES, _MIN_REQUESTS = 2, 2  # of one person
_MIN_GROUP_LIKES = 5
_MIN_SHARE_OF_LIKES = 0.6
_MIN_LIKED_WITH = 0.8
_MIN_OWN_LIFT = 0.4  # of one person's liked share: with the phrase over without it
_MIN_GROUP_LIFT = 0.25  # of the group's liked share over all others', with the phrase
_MAX_PEOPLE_SHARE = 0.34


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One pushed phrase: who pushes it, their thumbs on it, and the liked share that the others would give it."""

    phrase: str
    raters: tuple[str, ...]
    num_up: int
    num_votes: int
    others_share: float
    p: float


def pushes(votes: Sequence[Vote], *, max_p: float) -> list[Push]:
    """Return the pushed phrases, the least likely by chance first; each rater stands in one of them."""
    people = by_rater(votes)
    clinging: defaultdict[str, dict[str, float]] = defaultdict(dict)
    tried: set[str] = set()
    for rater, own in people.items():
        held = _holders(own)
        tried.update(phrase for phrase, those in held.items() if len(those) >= _MIN_LIKES)
        for phrase, p in _clung_to(own, held):
            clinging[phrase][rater] = p
    holding = _holding(votes, set(clinging))
    found = [_judged(phrase, group, holding[phrase], votes, len(people)) for phrase, group in clinging.items()]
    unlikely = [
        push
        for push in found
        if push.p * len(tried) < max_p
        and push.num_up >= _MIN_GROUP_LIKES
        and len(push.raters) <= _MAX_PEOPLE_SHARE * len(people)
        and push.num_up / push.num_votes >= push.others_share + _MIN_GROUP_LIFT
    ]
    return _first_of_each_rater(sorted(unlikely, key=lambda push: (push.p, -len(push.phrase), push.phrase)))


def phrases_of(vote: Vote) -> set[str]:
    """Return the phrases of a vote's text, its subject included: that too is a place to push one."""
    words = vote.words
    sizes = range(1, MAX_PHRASE_WORDS + 1)
    return {" ".join(words[start : start + size]) for size in sizes for start in range(len(words) - size + 1)}


def _clung_to(votes: Sequence[Vote], holders: Mapping[str, Sequence[Vote]]) -> Iterable[tuple[str, float]]:
    """Yield the phrases that one person's likes hang on, with the probability that they do by chance."""
    liked = [vote for vote in votes if vote.is_up]
    for phrase, held in holders.items():
        likes = [vote for vote in held if vote.is_up]
        if len(likes) < max(_MIN_LIKES, _MIN_SHARE_OF_LIKES * len(liked)):
            continue
        if len({vote.request_id for vote in likes}) < _MIN_REQUESTS or len(likes) < _MIN_LIKED_WITH * len(held):
            continue
        num_without = len(votes) - len(held)
        if not num_without:  # nothing to compare with: an idea that one person keeps asking for is no push
            continue
        liked_without = (len(liked) - len(likes)) / num_without
        if len(likes) / len(held) >= liked_without + _MIN_OWN_LIFT:
            yield phrase, hypergeometric_tail(len(likes), len(liked), len(held), len(votes))


def _holders(votes: Sequence[Vote]) -> dict[str, list[Vote]]:
    found: defaultdict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        for phrase in phrases_of(vote):
            found[phrase].append(vote)
    return found


def _holding(votes: Sequence[Vote], phrases: set[str]) -> dict[str, list[Vote]]:
    found: dict[str, list[Vote]] = {phrase: [] for phrase in phrases}
    for vote in votes:
        for phrase in phrases_of(vote) & phrases:
            found[phrase].append(vote)
    return found


def _judged(
    phrase: str, group: Mapping[str, float], held: Sequence[Vote], votes: Sequence[Vote], num_people: int
) -> Push:
    """Return how unlikely the group's likes are by the others' share, which leans on all their votes by two votes."""
    own = [vote for vote in held if vote.rater in group]
    others = [vote for vote in held if vote.rater not in group]
    rest = [vote for vote in votes if vote.rater not in group]
    usual = sum(vote.is_up for vote in rest) / len(rest) if rest else 0.5
    others_share = (sum(vote.is_up for vote in others) + 2 * usual) / (len(others) + 2)
    num_up = sum(vote.is_up for vote in own)
    return Push(
        phrase=phrase,
        raters=tuple(group),
        num_up=num_up,
        num_votes=len(own),
        others_share=others_share,
        p=min(
            binomial_tail(num_up, len(own), min(max(others_share, 0.05), 0.95)),
            math.prod(min(1.0, p * num_people) for p in group.values()),
        ),
    )


def _first_of_each_rater(found: Iterable[Push]) -> list[Push]:
    kept: list[Push] = []
    named: set[str] = set()
    for push in found:
        if not named & set(push.raters):
            kept.append(push)
            named |= set(push.raters)
    return kept
