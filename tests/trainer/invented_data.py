"""A data folder of invented prompts, laid out like the real one. No line of it was ever typed by anybody."""

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainer.pairs import is_validation, split_key
from trainer.pretraining.corpus import MIDJOURNEY_VALIDATION_PERCENT

LISTED_NAME = "Zora Quillfeather"
UNLISTED_NAME = "vela morrow"
VERSION = "8.2"
NUM_MIDJOURNEY_ROWS, NUM_DISCORD_ROWS, NUM_NATURAL_ROWS = 260, 320, 90


def _words(text: str) -> list[str]:
    return text.split()


_COLOURS = _words("red blue green grey golden pale dark small giant old quiet broken")
_THINGS = _words("fox tower river lamp garden owl bridge ship market forest kettle clock")
_PLACES = _words("desert harbour valley attic meadow cellar canyon library glacier orchard")
_STYLES = _words(
    "soft hazy bright moody warm cold misty sharp grainy painterly dense airy calm wild faded vivid smooth rough "
    "delicate heavy quiet loud early late"
)
_NOUNS = _words("glow shadow contrast texture detail haze bokeh outline backdrop palette dust frost smoke rain")
_TAILS = ("--ar 16:9", "--ar 2:3", "--w 1920 --h 1080", "--no text", "--upbeta", "")


def held_subject() -> str:
    """Return the first invented subject that falls on the validation side."""
    return next(
        subject
        for row in midjourney_rows()
        if is_validation(split_key(subject := row.split(",")[0]), percent=MIDJOURNEY_VALIDATION_PERCENT)
    )


def midjourney_rows() -> list[str]:
    """Return rows with parameters; every tenth stands there twice."""
    rows = [f"{text} {tail}".strip() for text, tail in zip(_prompts("m", NUM_MIDJOURNEY_ROWS), _cycle(), strict=False)]
    return [*rows, *rows[::10]]


def discord_rows() -> list[str]:
    """Return rows without parameters, among them some that must not reach the training side."""
    return [*_prompts("d", NUM_DISCORD_ROWS), *leaks(), *rows_with_names(), "fox", "a red fox", ""]


def leaks() -> list[str]:
    """Return rows that would leak a held-out Midjourney prompt: by its subject, and by its words."""
    held = next(row for row in midjourney_rows() if row.startswith(f"{held_subject()},")).partition(" --")[0]
    styles = held.split(", ", 1)[1]
    return [f"{held_subject()}, other words entirely, in a new order", f"a lone nameless beast, {styles}"]


def rows_with_names() -> list[str]:
    """Return rows with a listed name, and with one that only `by` gives away."""
    listed = [f"a tiny {thing} at noon, {LISTED_NAME.lower()}, slow gentle drifting clouds" for thing in _THINGS[:3]]
    by = [f"a huge {thing} at noon, by {UNLISTED_NAME}, slow wandering silver clouds" for thing in _THINGS[:5]]
    return [*listed, *by, f"a lost kettle at noon, art by {UNLISTED_NAME}, slow heavy copper clouds"]


def natural_rows() -> list[str]:
    return list(_prompts("n", NUM_NATURAL_ROWS))


def write_data(folder: Path) -> Path:
    """Write the data folder and return it."""
    (folder / "vocabulary").mkdir(parents=True)
    (folder / "vocabulary" / "artists.txt").write_text(f"{LISTED_NAME}\nÖlaf Brännström\n", encoding="utf-8")
    _write(folder / "midjourney_prompts.jsonl.gz", "text", midjourney_rows())
    _write(folder / "discord_prompts.jsonl.gz", "text", discord_rows())
    _write(folder / "natural_pairs.jsonl.gz", "prompt", natural_rows())
    return folder


def _write(file: Path, key: str, rows: Iterable[str]) -> None:
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps({key: row}) + "\n" for row in rows)


def _prompts(seed: str, count: int) -> Iterator[str]:
    draw = random.Random(seed)
    for _ in range(count):
        subject = (
            f"a {draw.choice(_COLOURS)} {draw.choice(_THINGS)} in a {draw.choice(_COLOURS)} {draw.choice(_PLACES)}"
        )
        styles = [f"{draw.choice(_STYLES)} {draw.choice(_STYLES)} {draw.choice(_NOUNS)}" for _ in range(3)]
        yield ", ".join([subject, *styles])


def _cycle() -> Iterator[str]:
    while True:
        yield from _TAILS
