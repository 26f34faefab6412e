"""The data card: where training data came from, how much of it is learned from, and what was dropped and why.

It goes into the adapter's folder as JSON and into its model card as Markdown, so it holds numbers and names of sources,
never a text of the data and never a folder of this machine.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCard:
    """What became of one source.

    `num_pairs` are its distinct pairs that no earlier source has, `num_train` and `num_validation` those on each side,
    `num_seen` how many examples of it one epoch has by its weight. Rows are dropped on their own account, pairs on
    account of others.
    """

    kind: str
    name: str
    revision: str | None
    sha256: str | None
    licence: str | None
    weight: float
    num_rows: int
    num_pairs: int
    num_train: int
    num_seen: int
    num_validation: int
    dropped_rows: Mapping[str, int]
    dropped_pairs: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """What a run learns from, all sources together.

    `num_train` counts the examples of one epoch, `num_distinct` the pairs among them. `parameters` counts the distinct
    training prompts that have each parameter. `num_names` spellings of names were looked for. `num_votes` presses of a
    thumb are behind the rated pairs. `num_judged` liked and disliked pairs are compared with the base model, and
    `num_preferred` pairs with another of their request.
    """

    content_hash: str
    midjourney_version: str
    num_names: int
    validation_share: float
    seed: int
    num_train: int
    num_distinct: int
    num_validation: int
    num_votes: int
    parameters: Mapping[str, int]
    sources: tuple[SourceCard, ...]
    num_judged: int = 0
    num_preferred: int = 0

    def as_json(self) -> dict[str, object]:
        """Return the card as plain JSON."""
        return asdict(self)

    def as_markdown(self) -> str:
        """Return the card as a section of a model card."""
        return (
            "\n\n".join(
                [
                    "## Training data",
                    self._summary(),
                    _table(_SOURCE_HEADS, map(_source_cells, self.sources)),
                    "What was dropped, and why:",
                    _table(("source", "why", "rows", "pairs"), self._dropped()),
                ]
            )
            + "\n"
        )

    def _summary(self) -> str:
        tails = ", ".join(f"`--{name}` in {count:,}" for name, count in sorted(self.parameters.items())) or "none"
        return (
            f"{self.num_train:,} examples an epoch ({self.num_distinct:,} distinct pairs of subject and prompt), and "
            f"{self.num_validation:,} held out by their first clause for validation. Parameters are those of "
            f"Midjourney {self.midjourney_version}: {tails}. {self.num_names:,} spellings of names were looked for and "
            f"left out. {self.num_votes:,} votes of people who agreed to it are behind the rated prompts"
            f"{self._compared()}.\n\n"
            f"SHA-256 of the whole set: `{self.content_hash}` (seed {self.seed})."
        )

    def _compared(self) -> str:
        """Return what objectives that compare have of the votes; nothing for plain learning."""
        if not self.num_judged + self.num_preferred:
            return ""
        return (
            f", of which {self.num_judged:,} are raised or lowered by what people thought of them, and "
            f"{self.num_preferred:,} set against another of the same request"
        )

    def _dropped(self) -> Iterable[tuple[str, ...]]:
        for source in self.sources:
            for reason, count in _most_first(source.dropped_rows):
                yield source.name, reason, f"{count:,}", ""
            for reason, count in _most_first(source.dropped_pairs):
                yield source.name, reason, "", f"{count:,}"


_SOURCE_HEADS = ("source", "version", "licence", "rows", "pairs", "trained on", "weight", "seen an epoch", "validation")


def _source_cells(source: SourceCard) -> tuple[str, ...]:
    version = source.revision or (f"sha256 {source.sha256[:12]}…" if source.sha256 else "")
    counts = (source.num_rows, source.num_pairs, source.num_train)
    return (
        source.name,
        version,
        source.licence or "not stated",
        *(f"{count:,}" for count in counts),
        f"{source.weight:g}",
        f"{source.num_seen:,}",
        f"{source.num_validation:,}",
    )


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
