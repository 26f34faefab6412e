"""Judge rows, on all cores where there are many: the pairs of each, or why it has none."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from core.machine import num_usable_cores
from trainer.cleaning import NameFinder
from trainer.pairs import Drop, Pair, examine, pair_up

Judged = tuple[Pair, ...] | Drop
CHUNK_ROWS = 2000
MIN_PARALLEL_ROWS = 10_000  # starting processes takes longer than judging fewer


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was read: a whole prompt, or a prompt with the subject that it was written for.

    With `is_opening` the prompt has to begin with its subject, which the bot's own answers do.
    """

    prompt: str
    subject: str | None = None
    is_opening: bool = False


def judge_all(rows: Sequence[Row], names: NameFinder, *, version: str) -> list[Judged]:
    """Return the verdict on each row, in order."""
    work = partial(_judge_chunk, names=names, version=version)
    chunks = [rows[start : start + CHUNK_ROWS] for start in range(0, len(rows), CHUNK_ROWS)]
    if len(rows) < MIN_PARALLEL_ROWS:
        return [verdict for chunk in chunks for verdict in work(chunk)]
    # Forking a process that has threads, as one that imported torch does, may lock it up.
    with ProcessPoolExecutor(num_usable_cores(), mp_context=get_context("spawn")) as pool:
        return [verdict for verdicts in pool.map(work, chunks) for verdict in verdicts]


def _judge_chunk(rows: Sequence[Row], *, names: NameFinder, version: str) -> list[Judged]:
    return [judge(row, names, version=version) for row in rows]


def judge(row: Row, names: NameFinder, *, version: str) -> Judged:
    """Return the pairs of one row, or why it has none."""
    if row.subject is None:
        return examine(row.prompt, names, version=version)
    return pair_up(row.subject, row.prompt, names, version=version, is_opening=row.is_opening)
