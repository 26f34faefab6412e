"""Training data from files: csv, tsv, json, jsonl and parquet, the text ones also gzipped.

It knows formats and says in one sentence what is wrong with a file; it does not know what the columns mean. Rows are
read one by one (but for json), so a large file needs little memory.
"""

import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from core.errors import InvalidData

Columns = tuple[str, ...]
Values = tuple[object, ...]  # one row: the values of the columns that were asked for, None where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows as they stand at one place.

    `name` is a Hub id or the files' names without their folder. `revision` is the commit on the Hub, `sha256` the
    checksum of the files; `licence` is what the Hub says, None where nothing is said.
    """

    name: str
    rows: Iterable[Values]
    revision: str | None = None
    sha256: str | None = None
    licence: str | None = None


def read_files(pattern: str, columns: Columns) -> Table:
    """Return the rows of a file, or of all files that a pattern such as `data/*.jsonl` names.

    Raises:
        InvalidData: nothing has that name, a type is unknown, or (while the rows are read) a file is unreadable, is not
            UTF-8, is damaged, is empty, or lacks a column.
    """
    paths = _paths(pattern)
    readers = [_reader_of(path) for path in paths]
    rows = (row for path, read in zip(paths, readers, strict=True) for row in _rows(path, read, columns))
    return Table(name=", ".join(path.name for path in paths), rows=rows, sha256=_checksum(paths))


def is_file_name(text: str) -> bool:
    """Say whether `text` ends as the name of a file that can be read here does, which no Hub id should."""
    return _kind_of(Path(text)) is not None


def require_columns(name: str, there: Iterable[str], wanted: Columns) -> None:
    """Refuse rows of `name` that lack one of the `wanted` columns.

    Raises:
        InvalidData: names the column that is missing and those that are there.
    """
    known = sorted(there)
    for column in wanted:
        if column not in known:
            raise InvalidData(
                f"{name} has no column {column!r}; its columns are {', '.join(known) or 'none'}: name the right one as "
                "text_column, or as subject_column and prompt_column."
            )


def _paths(pattern: str) -> list[Path]:
    """Return the files that `pattern` names in the order of their names, however the folder lists them."""
    expanded = Path(pattern).expanduser()
    relative = expanded.relative_to(expanded.anchor)
    paths = [expanded] if expanded.exists() else list(Path(expanded.anchor).glob(str(relative)))
    for path in paths or [expanded]:
        if not path.is_file():
            raise InvalidData(f"{path} is no file; correct the id of this source of training data.")
    return sorted(paths, key=lambda path: (path.name, path))


def _reader_of(path: Path) -> "_Reader":
    if (kind := _kind_of(path)) is None:
        raise InvalidData(f"{path} is of no known type; use {', '.join(_READERS)}, the text ones also with .gz.")
    return _READERS[kind]


def _kind_of(path: Path) -> str | None:
    """Return the ending that says what is in the file, None for one that says nothing known."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        suffix = path.with_suffix("").suffix.lower()
        return suffix if suffix in _READERS and suffix != ".parquet" else None
    return suffix if suffix in _READERS else None


def _checksum(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of the files one behind the other."""
    digest = hashlib.sha256()
    for path in paths:
        with _translated(path), path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _rows(path: Path, read: "_Reader", columns: Columns) -> Iterator[Values]:
    number = 0
    with _translated(path):
        for row in read(path, columns):
            number += 1
            yield row
    if not number:
        raise InvalidData(f"{path} holds no rows; give it some, or leave this source out.")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InvalidData(f"{path} is not UTF-8 (it holds the byte 0x{byte:02x}); save it as UTF-8.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise InvalidData(f"{path} is damaged ({said}); fetch or write it again.") from error
    except OSError as error:
        raise InvalidData(f"{path} cannot be read: {error.strerror or error}.") from error


def _open_text(path: Path) -> TextIO:
    """Open a text file as it stands, line ends included; a byte-order mark is left out."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_separated(path: Path, columns: Columns, *, delimiter: str) -> Iterator[Values]:
    with _open_text(path) as lines:
        rows = csv.DictReader(lines, delimiter=delimiter, strict=True)
        try:
            require_columns(str(path), rows.fieldnames or (), columns)
            for row in rows:
                if None in row:
                    raise InvalidData(
                        f"{path} has more values in line {rows.line_num} than columns; quote texts that hold a "
                        f"{delimiter!r}."
                    )
                yield tuple(row[column] for column in columns)
        except csv.Error as error:
            line = rows.reader.line_num
            raise InvalidData(f"{path} has no separated values in line {line} ({error}); repair it.") from error


def _read_comma_separated(path: Path, columns: Columns) -> Iterator[Values]:
    return _read_separated(path, columns, delimiter=",")


def _read_tab_separated(path: Path, columns: Columns) -> Iterator[Values]:
    return _read_separated(path, columns, delimiter="\t")


def _read_json(path: Path, columns: Columns) -> Iterator[Values]:
    with _open_text(path) as file:
        try:
            objects = json.load(file)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InvalidData(f"{path} is no JSON ({error}); repair it, or call it .jsonl if it is lines.") from error
    if not isinstance(objects, list):
        raise InvalidData(f"{path} is no JSON list of objects, one a row; write it as one.")
    yield from _objects(path, enumerate(objects, start=1), columns)


def _read_json_lines(path: Path, columns: Columns) -> Iterator[Values]:
    with _open_text(path) as lines:
        yield from _objects(path, _parsed(path, lines), columns)


def _parsed(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InvalidData(f"{path} has no JSON in line {number} ({error}); repair it.") from error


def _objects(path: Path, numbered: Iterable[tuple[int, object]], columns: Columns) -> Iterator[Values]:
    """Yield the columns of numbered objects; the first one has to have them all, later ones may leave some out."""
    is_first = True
    for number, found in numbered:
        if not isinstance(found, Mapping):
            raise InvalidData(f"{path} has no object with columns in row {number}; write one object a row.")
        if is_first:
            require_columns(str(path), found, columns)
            is_first = False
        yield tuple(found.get(column) for column in columns)


def _read_parquet(path: Path, columns: Columns) -> Iterator[Values]:
    from trainer.data.parquet import read_parquet  # noqa: PLC0415 - the other formats do without pyarrow

    yield from read_parquet(path, columns)


_Reader = Callable[[Path, Columns], Iterator[Values]]
_READERS: Mapping[str, _Reader] = {
    ".csv": _read_comma_separated,
    ".tsv": _read_tab_separated,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".parquet": _read_parquet,
}
