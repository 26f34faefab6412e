"""Exports: `datasets` reads each form, and nobody is named in one."""

import json
import stat
from datetime import timedelta
from pathlib import Path

import datasets
import pytest

from core.errors import ConfigError, InvalidData, StorageError
from tests.trainer.rated_prompts import rated
from tests.trainer.voting_crowd import NOW, TASTES, crowd
from trainer.exports import ExportForm, ExportFormat, Row, rows_of, write_rows
from trainer.feedback.feedback_config import FeedbackConfig
from trainer.feedback.settle import settle

CROWD = [*crowd(1, TASTES["media"], num_votes=80), rated(9000, "A", corrected_by="zoe")]
COLUMNS = {
    ExportForm.RATINGS: {
        "candidate",
        "request",
        "subject",
        "prompt",
        "rank",
        "adapter",
        "score",
        "rater",
        "is_liked",
        "correction",
    },
    ExportForm.SFT: {"prompt", "completion"},
    ExportForm.KTO: {"prompt", "completion", "label"},
    ExportForm.DPO: {"prompt", "chosen", "rejected"},
}


def rows(form: ExportForm, *, key: bytes | None = None) -> list[Row]:
    return rows_of(CROWD, settle(CROWD, FeedbackConfig(), now=NOW + timedelta(days=1)), form, key=key)


def test_every_form_is_known_here() -> None:
    assert set(COLUMNS) == set(ExportForm)


@pytest.mark.parametrize("kind", ExportFormat)
@pytest.mark.parametrize("form", ExportForm)
def test_datasets_reads_what_is_written(form: ExportForm, kind: ExportFormat, tmp_path: Path) -> None:
    written = rows(form)
    assert written
    file = tmp_path / f"votes.{kind}"
    write_rows(written, file, kind)
    builder = "json" if kind is ExportFormat.JSONL else "parquet"
    read = datasets.load_dataset(builder, data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))
    assert set(read.column_names) == COLUMNS[form]
    assert read.to_list() == [dict(row) for row in written]


@pytest.mark.parametrize("form", ExportForm)
def test_nobodys_id_is_in_a_file(form: ExportForm, tmp_path: Path) -> None:
    write_rows(rows(form), tmp_path / "votes.jsonl", ExportFormat.JSONL)
    values = [
        value
        for line in (tmp_path / "votes.jsonl").read_text(encoding="utf-8").splitlines()
        for value in json.loads(line).values()
    ]
    ids = {prompt.asker for prompt in CROWD} | {prompt.candidate_id for prompt in CROWD}
    ids |= {prompt.request_id for prompt in CROWD} | {"zoe"}
    ids |= {rating.rater for prompt in CROWD for rating in prompt.ratings}
    assert not ids & {value for value in values if isinstance(value, str)}


def test_a_person_has_one_code_in_an_export_and_another_in_the_next() -> None:
    first, again, next_one = (rows(ExportForm.RATINGS, key=key) for key in (b"1", b"1", b"2"))
    assert first == again
    assert len({row["rater"] for row in first}) == len({rating.rater for p in CROWD for rating in p.ratings} | {"zoe"})
    assert not {row["rater"] for row in first} & {row["rater"] for row in next_one}
    fresh = {row["rater"] for _ in range(2) for row in rows(ExportForm.RATINGS)}
    assert len(fresh) == 2 * len({row["rater"] for row in first}), "without a key each export draws its own"


def test_only_liked_and_corrected_prompts_are_there_to_imitate() -> None:
    kto = rows(ExportForm.KTO)
    liked = [row["completion"] for row in kto if row["label"]]
    assert 0 < len(liked) < len(kto)
    assert [row["completion"] for row in rows(ExportForm.SFT)] == liked
    assert " a boy in the snow, ink drawing" in liked


def test_a_pair_prefers_a_liked_prompt_to_a_disliked_one_of_the_same_idea() -> None:
    labels = {(row["prompt"], row["completion"]): row["label"] for row in rows(ExportForm.KTO)}
    pairs = rows(ExportForm.DPO)
    assert pairs
    assert all(labels[row["prompt"], row["chosen"]] and not labels[row["prompt"], row["rejected"]] for row in pairs)


@pytest.mark.parametrize("kind", ExportFormat)
def test_a_file_is_its_owners_alone_and_no_draft_stays(kind: ExportFormat, tmp_path: Path) -> None:
    write_rows(rows(ExportForm.KTO), tmp_path / "votes", kind)
    assert stat.S_IMODE((tmp_path / "votes").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["votes"]


def test_nothing_is_overwritten_and_nothing_is_written_of_nothing(tmp_path: Path) -> None:
    file = tmp_path / "votes"
    with pytest.raises(InvalidData, match=r"^There is nothing to export in this form: .*\.$"):
        write_rows([], file, ExportFormat.JSONL)
    assert not file.exists()
    file.write_text("mine")
    with pytest.raises(ConfigError, match="exists already and is never overwritten; name another file"):
        write_rows(rows(ExportForm.KTO), file, ExportFormat.JSONL)
    assert file.read_text() == "mine"
    with pytest.raises(StorageError, match=r"cannot be written \(No such file or directory\)"):
        write_rows(rows(ExportForm.KTO), tmp_path / "gone" / "votes", ExportFormat.JSONL)
