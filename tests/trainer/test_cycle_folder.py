"""What a cycle keeps on disk: it comes back as it was, only its owner reads it, and it goes with the cycle."""

import json
import stat
from pathlib import Path

import pytest

from core.cycles import CycleState
from core.errors import TrainingFailed
from core.rated_pairs import PreferredPrompt, RatedOrigin, RatedPair
from trainer.cycle.folder import EXAMPLES, CycleFolder, FrozenExamples, JudgedPrompt, cycles_below, needs_folder

EXAMPLES_OF_ALL_KINDS = FrozenExamples(
    rated=(
        RatedPair(
            subject="a boy",
            prompt="a boy, soft light",
            parameters="",
            origin=RatedOrigin.CORRECTION,
            num_up=1,
            num_down=0,
            vote_event_ids=(9, 3),
            weight=0.5,
        ),
    ),
    preferred=(
        PreferredPrompt(
            subject="ein Mädchen", parameters="--ar 3:2", chosen="a", rejected="b", vote_event_ids=(3, 4), weight=0.25
        ),
    ),
    held_out=(
        JudgedPrompt(
            request_id="r", subject="a fox", prompt="a fox", parameters="", is_liked=False, vote_event_ids=(7,)
        ),
    ),
)


def test_examples_come_back_as_they_were_frozen(tmp_path: Path) -> None:
    folder = CycleFolder("c", tmp_path)
    folder.freeze(EXAMPLES_OF_ALL_KINDS)
    assert folder.examples() == EXAMPLES_OF_ALL_KINDS
    assert [file.name for file in folder.path.iterdir()] == [EXAMPLES]


def test_every_press_behind_the_examples_is_named_once() -> None:
    assert EXAMPLES_OF_ALL_KINDS.vote_event_ids == (3, 4, 7, 9)


def test_nobody_else_on_the_machine_reads_the_examples(tmp_path: Path) -> None:
    folder = CycleFolder("c", tmp_path)
    folder.freeze(EXAMPLES_OF_ALL_KINDS)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_examples_are_frozen_anew_over_what_a_killed_process_left(tmp_path: Path) -> None:
    folder = CycleFolder("c", tmp_path)
    folder.path.mkdir(parents=True)
    (folder.path / "examples.part").write_text('{"rated": [')
    with pytest.raises(TrainingFailed, match="cannot be read; start a new cycle"):
        folder.examples()
    folder.freeze(EXAMPLES_OF_ALL_KINDS)
    assert folder.examples() == EXAMPLES_OF_ALL_KINDS


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rated": 1, "preferred": [], "held_out": []}', '{"rated": ['])
def test_damaged_examples_are_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    folder = CycleFolder("c", tmp_path)
    folder.path.mkdir(parents=True)
    (folder.path / EXAMPLES).write_text(text)
    with pytest.raises(TrainingFailed, match=r"examples\.json cannot be read; start a new cycle\.$"):
        folder.examples()


def test_examples_that_cannot_be_written_say_where_and_why(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("a file where the folder has to be")
    with pytest.raises(TrainingFailed, match=r"cannot be written to .*c \(File exists\); free some disk space"):
        CycleFolder("c", tmp_path).freeze(EXAMPLES_OF_ALL_KINDS)


def test_deleted_folder_leaves_nothing_and_may_be_deleted_again(tmp_path: Path) -> None:
    folder = CycleFolder("c", tmp_path)
    folder.freeze(EXAMPLES_OF_ALL_KINDS)
    assert cycles_below(tmp_path) == ["c"]
    folder.delete()
    folder.delete()
    assert cycles_below(tmp_path) == []
    assert cycles_below(tmp_path / "gone") == []


def test_frozen_examples_are_plain_json(tmp_path: Path) -> None:
    folder = CycleFolder("c", tmp_path)
    folder.freeze(EXAMPLES_OF_ALL_KINDS)
    assert set(json.loads((folder.path / EXAMPLES).read_text())) == {"rated", "preferred", "held_out"}


def test_a_folder_is_needed_from_the_first_state_until_the_canary() -> None:
    assert [state for state in CycleState if needs_folder(state)] == [
        CycleState.PLANNED,
        CycleState.BUILDING,
        CycleState.TRAINING,
        CycleState.EVALUATING,
        CycleState.GATED,
    ]
