"""The whole way from configured sources to what a run learns from and what it is measured on.

Read, judge each row, drop repeats, split by first clause, drop leaks, weigh, put in order, hash. What comes out depends
on nothing but the texts, the votes and the configuration: not on the order of files or rows, nor on the machine.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.errors import InvalidData
from core.logs import get_logger
from core.rated_pairs import PreferredPrompt, RatedPair
from trainer.cleaning import NameFinder
from trainer.data.card import DataCard, SourceCard
from trainer.data.mix import content_hash, in_order, weighted
from trainer.data.opinions import Learned, judge_preferred, learn
from trainer.data.rated import NO_OPINIONS, UNLIKED, Opinions, settle
from trainer.data.rows import Row, judge_all
from trainer.data.sources import Source, read_source
from trainer.data.split import Sides, split_pairs, without_leaks
from trainer.pairs import Drop, Pair
from trainer.preferences.pairs import JudgedPair, PreferredPair, UsedVote
from trainer.train_config import DataConfig, ObjectiveName

log = get_logger(__name__)
NO_TEXT = "has no text in its columns"
REPEATED_ROW = "says the same as an earlier row"
REPEATED_PAIR = "an earlier row or source has the same pair"
DISLIKED = "more people disliked than liked it"
_PARAMETER = re.compile(r"\s--([a-z]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What a run learns from and is measured on, each in an order that only depends on its content.

    A pair stands in `train` as often as one epoch sees it, and weighs what `weights` say where it is not 1. `judged`
    and `preferred` are learned from by objectives that compare; a liked pair among `judged` stands in `train` too, and
    is learned from once. `used_votes` are the presses behind all of it: what storage/ keeps as the votes that went into
    the run.
    """

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    card: DataCard
    weights: Mapping[Pair, float] = field(default_factory=dict)
    judged: tuple[JudgedPair, ...] = ()
    preferred: tuple[PreferredPair, ...] = ()
    used_votes: tuple[UsedVote, ...] = ()

    @property
    def content_hash(self) -> str:
        """One SHA-256, hexadecimal, for both sides and all opinions."""
        return self.card.content_hash

    @property
    def vote_event_ids(self) -> tuple[int, ...]:
        """The presses, each once and in order."""
        return tuple(sorted({vote.vote_event_id for vote in self.used_votes}))


@dataclass(slots=True)
class _Gathered:
    """One source's pairs that no earlier source has, and the counts for its card."""

    source: Source
    num_rows: int = 0
    pairs: list[Pair] = field(default_factory=list)
    opinions: Opinions = NO_OPINIONS
    dropped_rows: Counter[str] = field(default_factory=Counter)
    dropped_pairs: Counter[str] = field(default_factory=Counter)


def load_data(
    config: DataConfig,
    *,
    rated: Sequence[RatedPair] = (),
    preferred: Sequence[PreferredPrompt] = (),
    objective: ObjectiveName = "supervised",
    version: str,
    names: NameFinder,
) -> TrainingData:
    """Read the sources of `config` and return their pairs, written for Midjourney `version` and without `names`.

    `rated` is what the source of kind `rated` consists of; it may be empty, as nobody may have voted yet. Dislikes and
    preferences are part of the data only where `objective` learns from them.

    Raises:
        InvalidData: a source cannot be read or gives nothing, or there are not two prompts that differ.
        HubUnreachable: a Hub source is neither in reach nor in the cache.
    """
    gathered = [_gather(read_source(source, rated), rated, names, version) for source in config.sources]
    _drop_repeats(gathered)
    pairs = [pair for one in gathered for pair in one.pairs]
    _require_enough(pairs)
    sides = _split(config, gathered)
    learned = learn(
        [(one.opinions, one.source.config.weight) for one in gathered],
        judge_preferred(preferred, names, version=version),
        train=sides.train,
        validation=sides.validation,
        objective=objective,
    )
    data = _assemble(config, gathered, sides, learned, version=version, num_names=len(names))
    log.info(
        "data.loaded",
        train=len(data.train),
        validation=len(data.validation),
        votes=len(data.vote_event_ids),
        content_hash=data.content_hash,
    )
    return data


def _gather(source: Source, rated: Sequence[RatedPair], names: NameFinder, version: str) -> _Gathered:
    """Read and judge one source.

    Raises:
        InvalidData: it has rows, and none of them gives a pair.
    """
    gathered = _Gathered(source)
    if source.config.kind == "rated":
        _gather_rated(gathered, rated, names, version)
        return gathered
    rows = _distinct(source.rows, gathered)
    found: dict[Pair, None] = {}
    for verdict in judge_all(rows, names, version=version):
        if isinstance(verdict, Drop):
            gathered.dropped_rows[verdict] += 1
        else:
            gathered.dropped_pairs[REPEATED_PAIR] += sum(pair in found for pair in verdict)
            found.update(dict.fromkeys(verdict))
    if not found:
        raise InvalidData(_nothing_usable(gathered))
    gathered.pairs = list(found)
    return gathered


def _distinct(rows: Iterable[Row | None], gathered: _Gathered) -> list[Row]:
    """Return the rows that hold text, each once, and count all of them."""
    distinct: dict[Row, None] = {}
    for row in rows:
        gathered.num_rows += 1
        if row is None:
            gathered.dropped_rows[NO_TEXT] += 1
        elif row in distinct:
            gathered.dropped_rows[REPEATED_ROW] += 1
        else:
            distinct[row] = None
    return list(distinct)


def _nothing_usable(gathered: _Gathered) -> str:
    name = gathered.source.name
    if not gathered.num_rows:
        return f"{name} holds no rows; give it some, or leave this source out."
    reason, count = gathered.dropped_rows.most_common(1)[0]
    return (
        f"{name} gives nothing to learn from: {count} of its {gathered.num_rows} rows are out for one reason "
        f"({reason}); name the right columns, or leave this source out."
    )


def _gather_rated(gathered: _Gathered, rated: Sequence[RatedPair], names: NameFinder, version: str) -> None:
    rows = [row for row in gathered.source.rows if row is not None]
    judged = judge_all(rows, names, version=version)
    gathered.num_rows = len(rows)
    gathered.dropped_rows.update(verdict for verdict in judged if isinstance(verdict, Drop))
    gathered.opinions = settle(rated, judged)
    gathered.dropped_pairs[UNLIKED] = gathered.opinions.num_unliked
    gathered.pairs = list(gathered.opinions.liked)


def _drop_repeats(gathered: Sequence[_Gathered]) -> None:
    """Leave each pair to the first source that has it, and one that people dislike to none."""
    disliked = frozenset[Pair]().union(*(one.opinions.disliked for one in gathered))
    taken: set[Pair] = set()
    for one in gathered:
        fresh = [pair for pair in one.pairs if pair not in taken]
        kept = [pair for pair in fresh if pair not in disliked]
        one.dropped_pairs[REPEATED_PAIR] += len(one.pairs) - len(fresh)
        one.dropped_pairs[DISLIKED] += len(fresh) - len(kept)
        one.pairs = kept
        taken.update(kept)


def _require_enough(pairs: Sequence[Pair]) -> None:
    num_prompts = len({pair.prompt for pair in pairs})
    if num_prompts < 2:
        raise InvalidData(
            f"The training data has {num_prompts} usable prompt(s) that differ, and one to learn from and one to "
            "measure on are the least; add rows or sources."
        )


def _split(config: DataConfig, gathered: Sequence[_Gathered]) -> Sides:
    pairs: dict[bool, list[Pair]] = {True: [], False: []}  # by whether they may measure
    for one in gathered:
        pairs[config.is_rated_held_out or one.source.config.kind != "rated"] += one.pairs
    sides = split_pairs(pairs[True], share=config.validation_share, max_validation=config.max_validation_pairs)
    train, leaks = without_leaks(pairs[False], sides.validation)
    return Sides(train=sides.train | train, validation=sides.validation, dropped={**sides.dropped, **leaks})


def _assemble(
    config: DataConfig, gathered: Sequence[_Gathered], sides: Sides, learned: Learned, *, version: str, num_names: int
) -> TrainingData:
    seen = [
        weighted(sides.train.intersection(one.pairs), one.source.config.weight, seed=config.seed) for one in gathered
    ]
    train = in_order("train", (item for counted in seen for item in counted))
    validation = in_order("validation", ((pair, 1) for pair in sides.validation))
    for side, found in (("learn from", train), ("measure on", validation)):
        if not found:
            raise InvalidData(
                f"The training data leaves nothing to {side} after the split by first clause; add prompts that begin "
                "differently, or raise the weights."
            )
    card = DataCard(
        content_hash=content_hash(train, validation, learned.keyed()),
        midjourney_version=version,
        num_names=num_names,
        validation_share=config.validation_share,
        seed=config.seed,
        num_train=len(train),
        num_distinct=sum(map(len, seen)),
        num_validation=len(validation),
        num_votes=len({vote.vote_event_id for vote in learned.votes}),
        num_judged=len(learned.judged),
        num_preferred=len(learned.preferred),
        parameters=_count_parameters(item for counted in seen for item, _ in counted),
        sources=tuple(
            _source_card(one, sides, num_seen=sum(count for _, count in counted))
            for one, counted in zip(gathered, seen, strict=True)
        ),
    )
    return TrainingData(
        train=tuple(pair for _, pair in train),
        validation=tuple(pair for _, pair in validation),
        card=card,
        weights=learned.weights,
        judged=learned.judged,
        preferred=learned.preferred,
        used_votes=learned.votes,
    )


def _count_parameters(pairs: Iterable[Pair]) -> dict[str, int]:
    prompts = {pair.prompt for pair in pairs}
    return dict(Counter(name for prompt in prompts for name in set(_PARAMETER.findall(prompt))))


def _source_card(gathered: _Gathered, sides: Sides, *, num_seen: int) -> SourceCard:
    source = gathered.source
    leaks = Counter(sides.dropped[pair] for pair in gathered.pairs if pair in sides.dropped)
    return SourceCard(
        kind=source.config.kind,
        name=source.name,
        revision=source.revision,
        sha256=source.sha256,
        licence=source.licence,
        weight=source.config.weight,
        num_rows=gathered.num_rows,
        num_pairs=len(gathered.pairs),
        num_train=len(sides.train.intersection(gathered.pairs)),
        num_seen=num_seen,
        num_validation=len(sides.validation.intersection(gathered.pairs)),
        dropped_rows={str(reason): count for reason, count in gathered.dropped_rows.items()},
        dropped_pairs={str(reason): count for reason, count in (gathered.dropped_pairs + leaks).items()},
    )
