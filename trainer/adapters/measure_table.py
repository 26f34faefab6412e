"""The figures of several models side by side: as rows of text, as a table for a terminal, and as Markdown.

It reads the plain values that `training.json` keeps, so a table can be shown long after its models are gone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.table import Table

ABSENT = "–"  # noqa: RUF001 - a dash reads better than nothing

Figures = Mapping[str, object]  # what `Evaluation.as_dict` returned
Format = Callable[[float], str]


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _places(count: int) -> Format:
    return lambda value: f"{value:.{count}f}"


@dataclass(frozen=True, slots=True)
class Measure:
    """One row: where its value stands in the figures, what it is called, how it is written, which way is better."""

    path: tuple[str, ...]
    label: str
    format: Format
    better: str = ""

    def text(self, figures: Figures) -> str:
        """Return the value as text, a dash where the figures have none."""
        value: object = figures
        for key in self.path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            return value
        return self.format(float(value)) if isinstance(value, int | float) else ABSENT


MEASURES = (
    Measure(("likelihood", "nats_per_token"), "validation loss, nats/token", _places(4), "lower"),
    Measure(("likelihood", "bits_per_byte"), "bits/byte", _places(4), "lower"),
    Measure(("perplexity",), "perplexity", _places(2), "lower"),
    Measure(("answers", "subject_kept"), "subject kept word for word", _percent, "higher"),
    Measure(("answers", "valid_parameters"), "only valid parameters", _percent, "higher"),
    Measure(("answers", "with_parameters"), "with parameters", _percent),
    Measure(("answers", "ended_by_eos"), "ended by itself (EOS)", _percent, "higher"),
    Measure(("answers", "full_answers"), "answers with every candidate asked for", _percent, "higher"),
    Measure(("answers", "repeated_4grams"), "repeats four words", _percent, "lower"),
    Measure(("answers", "distinct_1"), "distinct-1", _places(3), "higher"),
    Measure(("answers", "distinct_2"), "distinct-2", _places(3), "higher"),
    Measure(("answers", "self_bleu"), "self-BLEU among candidates", _places(3), "lower"),
    Measure(("answers", "jaccard_distance"), "word distance among candidates", _places(3), "higher"),
    Measure(("answers", "copied"), "runs of 8 words copied from training", _percent, "lower"),
    Measure(("answers", "words_median"), "words, median", _places(1)),
    Measure(("answers", "seconds_p50"), "seconds to an answer, median", _places(2), "lower"),
    Measure(("answers", "seconds_p95"), "seconds to an answer, 95 %", _places(2), "lower"),
    Measure(("precision",), "precision", str),
)


def rows(metrics: Mapping[str, Figures]) -> list[tuple[str, ...]]:
    """Return a heading and one row a measure; the columns are the label, the models by name, and what is better."""
    heading = ("", *metrics, "better")
    body = [(item.label, *(item.text(figures) for figures in metrics.values()), item.better) for item in MEASURES]
    return [heading, *body]


def as_table(metrics: Mapping[str, Figures]) -> Table:
    """Return a table for a terminal."""
    heading, *body = rows(metrics)
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(heading):
        is_text = number in (0, len(heading) - 1)
        table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
    for row in body:
        table.add_row(*row)
    return table


def as_markdown(metrics: Mapping[str, Figures]) -> str:
    """Return the same as a Markdown table."""
    heading, *body = rows(metrics)
    rule = ["---", *("---:" for _ in metrics), "---"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heading, rule, *body])
