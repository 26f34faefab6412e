"""The base model's own texts are drawn once for what made them, whole or not at all."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.errors import ConfigError, TrainingFailed
from core.settings import load_settings
from falcon.loading import load_model
from tests.falcon.tiny_falcon import write_tiny_falcon
from trainer.data.sources import read_source
from trainer.replay import (
    SUBJECTS_AT_ONCE,
    SUBJECTS_FILE,
    Draw,
    drawing,
    ensure_replay,
    read_subjects,
    replay_file,
    replay_source,
)

SUBJECTS = tuple(f"a fox and {number} owls" for number in range(SUBJECTS_AT_ONCE + 8))


class Model:
    """Draws a text that tells its seed, and nothing for the first subject."""

    def __init__(self) -> None:
        self.num_loaded = 0
        self.seeds: list[int] = []

    def load(self) -> Draw:
        self.num_loaded += 1
        return self.draw

    def draw(self, subjects: Sequence[str], seed: int) -> list[str | None]:
        self.seeds.append(seed)
        return [None if subject == SUBJECTS[0] else f"{subject}, in snow {seed}" for subject in subjects]


def test_texts_that_ended_become_pairs_of_a_source(tmp_path: Path) -> None:
    path, model = tmp_path / "var" / "replay.jsonl", Model()
    assert ensure_replay(path, SUBJECTS, rounds=2, load=model.load)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows[0] == {"subject": SUBJECTS[1], "prompt": f"{SUBJECTS[1]}, in snow {model.seeds[0]}"}
    read = read_source(replay_source(path, weight=0.5), ())
    assert [row.subject for row in read.rows if row is not None] == list(SUBJECTS[1:]) * 2
    assert len(set(model.seeds)) == 4, "each batch of each round has a seed of its own"
    assert [file.name for file in path.parent.iterdir()] == ["replay.jsonl"]


def test_file_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    model, path = Model(), tmp_path / "replay.jsonl"
    assert ensure_replay(path, SUBJECTS, rounds=1, load=model.load)
    assert ensure_replay(path, SUBJECTS, rounds=1, load=model.load)
    assert model.num_loaded == 1


def test_stop_in_between_leaves_no_file(tmp_path: Path) -> None:
    model, path = Model(), tmp_path / "replay.jsonl"
    assert not ensure_replay(path, SUBJECTS, rounds=2, load=model.load, is_stop_wanted=lambda: len(model.seeds) == 3)
    assert len(model.seeds) == 3
    assert list(tmp_path.iterdir()) == []


def test_disk_that_takes_no_file_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("", encoding="utf-8")
    with pytest.raises(TrainingFailed, match=r"could not be written to .*replay\.jsonl \(.*\); free some disk space"):
        ensure_replay(tmp_path / "var" / "replay.jsonl", SUBJECTS, rounds=1, load=Model().load)


def test_file_is_named_by_all_that_it_depends_on(tmp_path: Path) -> None:
    one, other = write_tiny_falcon(tmp_path / "one"), write_tiny_falcon(tmp_path / "other")
    (other / "config.json").write_text((other / "config.json").read_text() + "\n", encoding="utf-8")
    names = {
        replay_file(tmp_path, one, SUBJECTS, 1).name,
        replay_file(tmp_path, other, SUBJECTS, 1).name,
        replay_file(tmp_path, one, SUBJECTS[1:], 1).name,
        replay_file(tmp_path, one, SUBJECTS, 2).name,
    }
    assert len(names) == 4
    assert replay_file(tmp_path, one, SUBJECTS, 2).name in names


def test_model_draws_texts_that_begin_with_their_subject_and_repeat_with_their_seed(tmp_path: Path) -> None:
    folder = write_tiny_falcon(tmp_path / "tiny")
    draw = drawing(load_model(load_settings(_env_file=None, model_id=str(folder), adapter=None, precision="fp32")))
    subjects = ("a fox", "an old owl in the snow", "a mill", "a tram") * 4
    found = draw(subjects, 1)
    ended = [(subject, text) for subject, text in zip(subjects, found, strict=True) if text is not None]
    assert ended, "one of sixteen ends"
    assert all(text.startswith(subject) for subject, text in ended)
    assert draw(subjects, 1) == found
    assert draw(subjects, 2) != found


def test_shipped_subjects_are_three_hundred_plain_ideas() -> None:
    subjects = read_subjects(SUBJECTS_FILE)
    assert len(subjects) >= 300
    assert len({subject.lower() for subject in subjects}) == len(subjects)
    assert all(2 <= len(subject.split()) <= 9 and "--" not in subject for subject in subjects)


def test_subjects_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read as text"):
        read_subjects(tmp_path / "missing.txt")
    (tmp_path / "empty.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(ConfigError, match="are empty; write one idea a line"):
        read_subjects(tmp_path / "empty.txt")
