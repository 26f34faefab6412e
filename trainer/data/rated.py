"""What people's opinions make of rated pairs: which are learned from, which are not, and whose presses they came from.

The same pair may have been offered more than once; its votes are counted together. It knows no rows of a database.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.rated_pairs import RatedOrigin, RatedPair
from trainer.data.rows import Judged
from trainer.pairs import Pair

UNLIKED = "not more people liked than disliked it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """The vote events of each `liked` pair, to be learned from, and of each `disliked` one, which no source teaches.

    `weights` has how much the opinions on each of them are worth, `corrections` the events that stand for a correction.
    """

    liked: dict[Pair, tuple[int, ...]]
    disliked: dict[Pair, tuple[int, ...]]
    num_unliked: int
    weights: dict[Pair, float] = field(default_factory=dict)
    corrections: frozenset[int] = frozenset()


NO_OPINIONS = Opinions(liked={}, disliked={}, num_unliked=0)


def settle(rated: Sequence[RatedPair], judged: Sequence[Judged]) -> Opinions:
    """Count the votes of each pair; `judged` holds the verdict on each of `rated`, in the same order.

    Where a pair was rated more than once, its opinions are worth what the weightiest of them is.
    """
    margins: dict[Pair, float] = defaultdict(int)
    events: dict[Pair, set[int]] = defaultdict(set)
    weights: dict[Pair, float] = defaultdict(float)
    corrections: set[int] = set()
    for opinion, verdict in zip(rated, judged, strict=True):
        for pair in verdict if isinstance(verdict, tuple) else ():
            margins[pair] += opinion.weight * (opinion.num_up - opinion.num_down)
            events[pair].update(opinion.vote_event_ids)
            weights[pair] = max(weights[pair], opinion.weight)
            corrections.update(opinion.vote_event_ids if opinion.origin is RatedOrigin.CORRECTION else ())
    return Opinions(
        liked={pair: tuple(sorted(events[pair])) for pair, margin in margins.items() if margin > 0},
        disliked={pair: tuple(sorted(events[pair])) for pair, margin in margins.items() if margin < 0},
        num_unliked=sum(margin <= 0 for margin in margins.values()),
        weights={pair: weights[pair] for pair, margin in margins.items() if margin != 0},
        corrections=frozenset(corrections),
    )
