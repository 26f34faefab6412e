"""What people's opinions add to the texts that a run learns from: weights, ratings, preferences, and whose presses.

Which of these are wanted is the objective's to say. Pure functions; what people's opinions on a pair amount to was
settled before (trainer/data/rated.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.rated_pairs import PreferredPrompt
from trainer.cleaning import NameFinder
from trainer.data.mix import Keyed, digest_of
from trainer.data.rated import Opinions
from trainer.data.rows import judge_all
from trainer.data.sources import answered_row
from trainer.data.split import without_leaks
from trainer.pairs import Pair
from trainer.preferences.pairs import JudgedPair, PreferredPair, UsedVote
from trainer.train_config import ObjectiveName


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What is learned of opinions: `weights` of liked pairs that are learned from as they are, where not 1.

    `judged` has the liked and disliked pairs of KTO, `preferred` the pairs of DPO, `votes` the presses behind all.
    """

    weights: Mapping[Pair, float]
    judged: tuple[JudgedPair, ...]
    preferred: tuple[PreferredPair, ...]
    votes: tuple[UsedVote, ...]

    def keyed(self) -> list[Keyed]:
        """Return what goes into the data's hash beside its texts, in an order that only depends on the content."""
        weighed = [(digest_of("weight", *_words(pair), weight), pair) for pair, weight in self.weights.items()]
        judged = [(digest_of("judged", *_words(one.pair), one.is_liked, one.weight), one.pair) for one in self.judged]
        preferred = [
            (digest_of("preferred", *_words(one.chosen), one.rejected.prompt, one.weight), one.chosen)
            for one in self.preferred
        ]
        return sorted([*weighed, *judged, *preferred], key=lambda item: item[0])


def learn(
    opinions: Sequence[tuple[Opinions, float]],
    preferred: Mapping[PreferredPair, tuple[int, ...]],
    *,
    train: frozenset[Pair],
    validation: frozenset[Pair],
    objective: ObjectiveName,
) -> Learned:
    """Return what `objective` learns of each source's opinions, whose number beside them is the source's weight.

    Only what is on the `train` side is learned from, and nothing that would tell of the `validation` side.
    """
    weights = {
        pair: found.weights[pair]
        for found, _ in opinions
        for pair in found.liked
        if pair in train and found.weights.get(pair, 1.0) != 1
    }
    judged = _judged(opinions, train, validation) if objective == "kto" else ()
    chosen = _known(preferred, validation) if objective == "dpo" else {}
    return Learned(
        weights=weights,
        judged=judged,
        preferred=tuple(sorted(chosen, key=lambda one: (_words(one.chosen), one.rejected.prompt))),
        votes=tuple(sorted({*_votes(opinions, train | validation, judged), *_preferring_votes(chosen)})),
    )


def _judged(
    opinions: Sequence[tuple[Opinions, float]], train: frozenset[Pair], validation: frozenset[Pair]
) -> tuple[JudgedPair, ...]:
    found: dict[Pair, JudgedPair] = {}
    for own, factor in opinions:
        kept, _ = without_leaks(own.disliked, validation)
        for pair in (*train.intersection(own.liked), *kept):
            weight = factor * own.weights.get(pair, 1.0)
            found.setdefault(pair, JudgedPair(pair=pair, is_liked=pair in own.liked, weight=weight))
    return tuple(found[pair] for pair in sorted(found, key=_words))


def _known(
    preferred: Mapping[PreferredPair, tuple[int, ...]], validation: frozenset[Pair]
) -> dict[PreferredPair, tuple[int, ...]]:
    texts = [pair for one in preferred for pair in (one.chosen, one.rejected)]
    kept, _ = without_leaks(texts, validation)
    return {one: events for one, events in preferred.items() if one.chosen in kept and one.rejected in kept}


def _votes(
    opinions: Sequence[tuple[Opinions, float]], learned: frozenset[Pair], judged: Sequence[JudgedPair]
) -> Iterable[UsedVote]:
    disliked = {one.pair for one in judged if not one.is_liked}
    for own, _ in opinions:
        for pair, events in own.liked.items():
            for event in events if pair in learned else ():
                yield UsedVote(event, "corrected" if event in own.corrections else "liked", pair_hash(pair))
        for pair, events in own.disliked.items():
            for event in events if pair in disliked else ():
                yield UsedVote(event, "disliked", pair_hash(pair))


def _preferring_votes(preferred: Mapping[PreferredPair, tuple[int, ...]]) -> Iterable[UsedVote]:
    for one, events in preferred.items():
        example = digest_of(*_words(one.chosen), one.rejected.prompt).hex()
        yield from (UsedVote(event, "preferred", example) for event in events)


def pair_hash(pair: Pair) -> str:
    """Return the SHA-256 of a pair, hexadecimal."""
    return digest_of(*_words(pair)).hex()


def judge_preferred(
    prompts: Sequence[PreferredPrompt], names: NameFinder, *, version: str
) -> dict[PreferredPair, tuple[int, ...]]:
    """Return each preference whose two prompts are clean and still differ, with the presses behind it."""
    rows = [
        answered_row(one.subject, prompt, one.parameters) for one in prompts for prompt in (one.chosen, one.rejected)
    ]
    verdicts = iter(judge_all(rows, names, version=version))
    found: dict[PreferredPair, tuple[int, ...]] = {}
    for prompt in prompts:
        chosen, rejected = next(verdicts), next(verdicts)
        if isinstance(chosen, tuple) and isinstance(rejected, tuple) and chosen != rejected:
            pair = PreferredPair(chosen=chosen[0], rejected=rejected[0], weight=prompt.weight)
            found[pair] = tuple(sorted({*found.get(pair, ()), *prompt.vote_event_ids}))
    return found


def _words(pair: Pair) -> tuple[str, str]:
    return pair.subject, pair.prompt
