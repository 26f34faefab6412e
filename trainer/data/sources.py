"""From one configured source to rows: whole prompts, or prompts with the subject that they were written for.

It knows where rows are and which columns they have; what is wrong with a row is judged in trainer/data/rows.py.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from core.parameters import parse, render
from core.rated_pairs import RatedOrigin, RatedPair
from trainer.data.files import Columns, Table, Values, is_file_name, read_files
from trainer.data.rows import Row
from trainer.train_config import SourceConfig

SEED_DATASET = "bittu9988/mid_journey_prompts"  # the Hub's copy of the sheet that the seed was tuned on
SEED_COLUMNS = ("User", "Prompt")
RATED_NAME = "votes and corrections"
_HALF = re.compile("[\ud800-\udfff]")  # half of a surrogate pair: JSON can spell it, and no tokenizer takes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source, read: `rows` has None where a row holds no text; the rest is as in `Table`."""

    config: SourceConfig
    name: str
    rows: Iterable[Row | None]
    revision: str | None = None
    sha256: str | None = None
    licence: str | None = None


def read_source(config: SourceConfig, rated: Sequence[RatedPair]) -> Source:
    """Open the source that `config` names; `rated` is what the people's own votes gave.

    Raises:
        InvalidData, HubUnreachable: as trainer/data/files.py and trainer/data/hub.py say.
    """
    if config.kind == "rated":
        return Source(config=config, name=RATED_NAME, rows=[rated_row(pair) for pair in rated])
    columns = _columns(config)
    table = _read_table(config, columns)
    return Source(
        config=config,
        name=table.name,
        rows=map(_row, table.rows),
        revision=table.revision,
        sha256=table.sha256,
        licence=table.licence,
    )


def _columns(config: SourceConfig) -> Columns:
    """Return the columns to read: the text alone, or subject and prompt."""
    if config.subject_column is not None and config.prompt_column is not None:
        return config.subject_column, config.prompt_column
    return SEED_COLUMNS if config.kind == "seed" else (config.text_column,)


def _read_table(config: SourceConfig, columns: Columns) -> Table:
    if config.kind == "file" or (config.kind == "seed" and is_file_name(config.id)):
        return read_files(config.id, columns)
    from trainer.data.hub import read_hub  # noqa: PLC0415 - `datasets` takes seconds to import, and files need none of it

    return read_hub(config.id or SEED_DATASET, columns, revision=config.revision, split=config.split)


def _row(values: Values) -> Row | None:
    texts = [value for value in values if isinstance(value, str) and value.strip() and not _HALF.search(value)]
    if len(texts) < len(values):
        return None
    return Row(prompt=texts[-1], subject=texts[0] if len(texts) > 1 else None)


def rated_row(pair: RatedPair) -> Row:
    return answered_row(pair.subject, pair.prompt, pair.parameters, is_opening=pair.origin is RatedOrigin.VOTE)


def answered_row(subject: str, prompt: str, parameters: str, *, is_opening: bool = False) -> Row:
    """Return a rated prompt as a row without what the asker brought along: their images and parameters."""
    parsed = parse(prompt)
    own = {parameter.name for parameter in parse(f"{subject} {parameters}").parameters}
    kept = tuple(parameter for parameter in parsed.parameters if parameter.name not in own)
    return Row(prompt=render(replace(parsed, images=(), parameters=kept)), subject=subject, is_opening=is_opening)
