"""What people's opinions make of rated pairs: which are learned from, which are not, and whose presses they came from.

The same pair may have been offered more than once; its votes are counted together. It knows no rows of a database.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from core.rated_pairs import RatedPair
from trainer.data.rows import Judged
from trainer.pairs import Pair

UNLIKED = "not more people liked than disliked it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """`liked` has the vote events of each pair to learn from; a `disliked` one is not learned from anywhere."""

    liked: dict[Pair, tuple[int, ...]]
    disliked: frozenset[Pair]
    num_unliked: int


NO_OPINIONS = Opinions(liked={}, disliked=frozenset(), num_unliked=0)


def settle(rated: Sequence[RatedPair], judged: Sequence[Judged]) -> Opinions:
    """Count the votes of each pair; `judged` holds the verdict on each of `rated`, in the same order."""
    margins: dict[Pair, int] = defaultdict(int)
    events: dict[Pair, set[int]] = defaultdict(set)
    for opinion, verdict in zip(rated, judged, strict=True):
        for pair in verdict if isinstance(verdict, tuple) else ():
            margins[pair] += opinion.num_up - opinion.num_down
            events[pair].update(opinion.vote_event_ids)
    return Opinions(
        liked={pair: tuple(sorted(events[pair])) for pair, margin in margins.items() if margin > 0},
        disliked=frozenset(pair for pair, margin in margins.items() if margin < 0),
        num_unliked=sum(margin <= 0 for margin in margins.values()),
    )
