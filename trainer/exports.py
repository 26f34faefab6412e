"""Rated prompts in the forms that `datasets` and TRL read, of people who agreed to be learned from.

Nobody is named: a person is a code that is good for one export alone, drawn by a key that is forgotten afterwards. It
knows no database.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from core.errors import ConfigError, InvalidData, StorageError
from core.ratings import RatedPrompt
from core.records import Thumb
from falcon.template import render_answer, render_question
from trainer.feedback.settle import Settled
from trainer.feedback.verdicts import Label

Row = Mapping[str, object]
CODE_CHARACTERS = 16


class ExportForm(StrEnum):
    """What a row is."""

    RATINGS = "ratings"  # one thumb or correction of one person
    SFT = "sft"  # a prompt and a completion that was liked or written by a person
    KTO = "kto"  # a prompt, a completion, and whether it was liked (TRL: unpaired preference)
    DPO = "dpo"  # a prompt, a chosen and a rejected completion (TRL: preference)


class ExportFormat(StrEnum):
    """How rows are written."""

    JSONL = "jsonl"
    PARQUET = "parquet"


def rows_of(rated: Sequence[RatedPrompt], settled: Settled, form: ExportForm, *, key: bytes | None = None) -> list[Row]:
    """Return the rows of one form; `key` draws the people's codes, a fresh one where there is none."""
    key = key or secrets.token_bytes(32)
    match form:
        case ExportForm.RATINGS:
            return list(_ratings(rated, lambda name: _code(name, key)))
        case ExportForm.SFT:
            return [row for row in _unpaired(settled) if row.pop("label")]
        case ExportForm.KTO:
            return list(_unpaired(settled))
        case ExportForm.DPO:
            return [
                {
                    "prompt": render_question(pair.subject),
                    "chosen": render_answer(pair.chosen, eos_token=""),
                    "rejected": render_answer(pair.rejected, eos_token=""),
                }
                for pair in settled.pairs
            ]


def _unpaired(settled: Settled) -> Iterator[dict[str, object]]:
    for verdict in settled.verdicts:
        yield {
            "prompt": render_question(verdict.subject),
            "completion": render_answer(verdict.prompt, eos_token=""),  # trainers of TRL end it themselves
            "label": verdict.label is not Label.DISLIKED,
        }


def _ratings(rated: Sequence[RatedPrompt], code: Callable[[str], str]) -> Iterator[Row]:
    for prompt in rated:
        shown: Row = {
            "candidate": code(prompt.candidate_id),
            "request": code(prompt.request_id),
            "subject": prompt.subject,
            "prompt": prompt.prompt,
            "rank": prompt.rank,
            "adapter": prompt.adapter,
            "score": prompt.score,
        }
        for rating in prompt.ratings:
            yield {**shown, "rater": code(rating.rater), "is_liked": rating.thumb is Thumb.UP, "correction": None}
        for correction in prompt.corrections:
            yield {**shown, "rater": code(correction.rater), "is_liked": None, "correction": correction.prompt}


def _code(name: str, key: bytes) -> str:
    return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:CODE_CHARACTERS]


def write_rows(rows: Sequence[Row], file: Path, kind: ExportFormat) -> None:
    """Write the rows to `file` in one move, readable by this user alone.

    Raises:
        InvalidData: there are none.
        ConfigError: `file` exists already.
        StorageError: it cannot be written.
    """
    if not rows:
        raise InvalidData(
            "There is nothing to export in this form: what people who agreed to be learned from have rated so far "
            "gives no row of it."
        )
    if file.exists():
        raise ConfigError(f"{file} exists already and is never overwritten; name another file.")
    draft = file.with_name(f".{file.name}.part")
    try:
        draft.touch(mode=0o600)
        if kind is ExportFormat.PARQUET:
            _write_parquet(rows, draft)
        else:
            draft.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StorageError(f"{file} cannot be written ({error.strerror}); name a file in another folder.") from error


def _write_parquet(rows: Sequence[Row], file: Path) -> None:
    import pyarrow  # noqa: PLC0415 - it takes a second, and JSON lines need none of it
    from pyarrow import parquet  # noqa: PLC0415

    parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), file)
