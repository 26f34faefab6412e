"""Training data in files: every format, and one sentence for each thing that can be wrong. All texts are invented."""

import gzip
import json
import os
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from core.errors import InvalidData
from trainer.data.files import read_files

TEXTS = ["a red fox, dusk", 'an owl, "dawn", mist', "a ship,\nfog", "\u00e4 caf\u00e9, rain"]
FORMATS = ("csv", "tsv", "json", "jsonl", "parquet", "csv.gz", "tsv.gz", "json.gz", "jsonl.gz")


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def content(kind: str, texts: list[str]) -> bytes:
    """Return a file with a number, a text and another column."""
    match kind.partition(".")[0]:
        case "csv":
            text = "id,text,more\r\n" + "".join(f"{n},{quoted(t)},x\r\n" for n, t in enumerate(texts))
        case "tsv":
            text = "id\ttext\tmore\n" + "".join(f"{n}\t{quoted(t)}\tx\n" for n, t in enumerate(texts))
        case "json":
            text = json.dumps([{"id": n, "text": t, "more": "x"} for n, t in enumerate(texts)])
        case _:
            text = "".join(json.dumps({"id": n, "text": t, "more": "x"}) + "\n" for n, t in enumerate(texts))
    data = text.encode()
    return gzip.compress(data) if kind.endswith(".gz") else data


def write(folder: Path, kind: str, texts: list[str] = TEXTS, *, stem: str = "prompts") -> Path:
    path = folder / f"{stem}.{kind}"
    if kind == "parquet":
        parquet.write_table(pyarrow.table({"id": range(len(texts)), "text": texts}), path)
    else:
        path.write_bytes(content(kind, texts))
    return path


def texts_of(pattern: Path | str, column: str = "text") -> list[object]:
    return [text for (text,) in read_files(str(pattern), (column,)).rows]


def refusal(pattern: Path | str, *columns: str) -> str:
    with pytest.raises(InvalidData) as caught:
        list(read_files(str(pattern), columns or ("text",)).rows)
    message = str(caught.value)
    assert str(pattern) in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_texts(tmp_path: Path, kind: str) -> None:
    assert texts_of(write(tmp_path, kind)) == TEXTS


@pytest.mark.parametrize("kind", FORMATS)
def test_columns_come_in_the_order_in_which_they_were_asked_for(tmp_path: Path, kind: str) -> None:
    rows = list(read_files(str(write(tmp_path, kind, ["a fox"])), ("text", "id")).rows)
    assert [(text, str(number)) for text, number in rows] == [("a fox", "0")]


@pytest.mark.parametrize("kind", FORMATS)
def test_missing_column_names_those_that_are_there(tmp_path: Path, kind: str) -> None:
    said = refusal(write(tmp_path, kind), "prompt")
    assert "has no column 'prompt'; its columns are id, " in said
    assert "text" in said


@pytest.mark.parametrize("kind", FORMATS)
def test_empty_file_and_one_without_rows_are_refused(tmp_path: Path, kind: str) -> None:
    bare = write(tmp_path, kind, [], stem="bare")
    assert "holds no rows" in refusal(bare) or "has no column" in refusal(bare)
    nothing = tmp_path / f"nothing.{kind}"
    nothing.write_bytes(gzip.compress(b"") if kind.endswith(".gz") else b"")
    assert refusal(nothing)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "parquet"])
def test_text_that_is_not_utf_8_is_refused_with_its_byte(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind, ["a fruehling"])
    data = gzip.decompress(path.read_bytes()) if kind.endswith(".gz") else path.read_bytes()
    data = data.replace(b"fruehling", "fr\u00fchling".encode("latin-1"))
    path.write_bytes(gzip.compress(data) if kind.endswith(".gz") else data)
    assert "is not UTF-8 (it holds the byte 0xfc); save it as UTF-8." in refusal(path)


@pytest.mark.parametrize("kind", ["csv.gz", "jsonl.gz", "parquet"])
def test_file_that_was_cut_off_is_damaged(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind, TEXTS * 50)
    path.write_bytes(path.read_bytes()[:-20])
    assert "is damaged (" in refusal(path)


def test_byte_order_mark_of_a_spreadsheet_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_bytes(b"\xef\xbb\xbftext\r\na fox\r\n")
    assert texts_of(path) == ["a fox"]


def test_unquoted_comma_is_refused_rather_than_cutting_the_prompt(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("text\na fox\na fox, dusk\n", encoding="utf-8")
    assert "has more values in line 3 than columns; quote texts that hold a ','." in refusal(path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.csv", 'text\n"a fox', "has no separated values in line 2"),
        ("x.csv", 'text\n"a" fox\n', "has no separated values in line 2"),
        ("x.csv", f"text\n{'fox ' * 40_000}\n", "has no separated values in line 2 (field larger"),
        ("x.json", '{"text": "a fox"}', "is no JSON list of objects"),
        ("x.json", '{"text": "a"}\n{"text": "b"}', "is no JSON (Extra data"),
        ("x.json", '["a fox"]', "has no object with columns in row 1"),
        ("x.json", "[" * 100_000, "is no JSON ("),
        ("x.jsonl", '{"text": "a"}\n\n{"text": ', "has no JSON in line 3"),
        ("x.jsonl", '{"text": "a"}\n[1]\n', "has no object with columns in row 2"),
        ("x.txt", "a fox", "is of no known type; use .csv, .tsv, .json, .jsonl, .parquet, the text ones also with .gz"),
        ("x", "a fox", "is of no known type"),
        ("x.gz", "a fox", "is of no known type"),
        ("x.parquet.gz", "a fox", "is of no known type"),
        ("x.parquet", "a fox", "is damaged ("),
        ("x.jsonl.gz", "a fox", "is damaged ("),
    ],
)
def test_file_of_another_kind_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert said in refusal(tmp_path / name)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    assert "gone.csv is no file; correct the id" in refusal(tmp_path / "gone.csv")
    assert "is no file" in refusal(tmp_path)
    assert "*.csv is no file" in refusal(tmp_path / "*.csv")


def test_file_that_may_not_be_read_says_why(tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    table = read_files(str(path), ("text",))
    path.unlink()
    with pytest.raises(InvalidData, match=r"prompts\.csv cannot be read: No such file or directory\."):
        list(table.rows)


def test_later_row_without_the_column_has_nothing_there(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"text": "a"}\n{"other": "b"}\n{"text": null}\n', encoding="utf-8")
    assert texts_of(path) == ["a", None, None]


def test_pattern_names_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for stem in ("b", "c", "a"):
        write(tmp_path, "jsonl", [f"of {stem}"], stem=stem)
    write(tmp_path, "csv", ["of csv"], stem="ab")
    assert texts_of(tmp_path / "*.*") == ["of a", "of csv", "of b", "of c"]
    assert read_files(str(tmp_path / "[ab].jsonl"), ("text",)).name == "a.jsonl, b.jsonl"


def test_pattern_may_be_relative_and_name_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    write(tmp_path / "deep" / "er", "csv", ["a fox"])
    monkeypatch.chdir(tmp_path / "deep")
    assert texts_of("**/*.csv") == ["a fox"]
    assert texts_of("../deep/er/*.csv") == ["a fox"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert texts_of(f"~{os.sep}deep/er/prompts.csv") == ["a fox"]


def test_name_with_the_signs_of_a_pattern_is_still_a_name(tmp_path: Path) -> None:
    assert texts_of(write(tmp_path, "csv", ["a fox"], stem="prompts [1]")) == ["a fox"]


def test_checksum_is_that_of_the_bytes_and_the_name_has_no_folder(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, same = write(tmp_path, "csv"), write(tmp_path / "other", "csv")
    other = write(tmp_path / "other", "csv", [*TEXTS, "x"], stem="more")
    tables = [read_files(str(path), ("text",)) for path in (one, same, other)]
    assert tables[0].sha256 == tables[1].sha256 != tables[2].sha256
    assert [table.name for table in tables] == ["prompts.csv", "prompts.csv", "more.csv"]
