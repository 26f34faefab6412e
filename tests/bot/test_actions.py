"""Marks of buttons: read back as written, refused in words otherwise."""

import pytest

from bot.actions import Action, mark, read_mark
from core.errors import NotFound

TARGET = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def test_every_action_reads_back_as_it_was_written_within_discords_limit() -> None:
    marks = {mark(action, TARGET): action for action in Action}
    assert len(marks) == 10
    for text, action in marks.items():
        assert read_mark(text) == (action, TARGET)
        assert len(text) <= 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"mj0:up:{TARGET}",
        f"mj1:launch:{TARGET}",
        "mj1:up:short",
        f"mj1:up:{TARGET}X",
        f"mj1:up:{TARGET}\n",
        f"mj1:up:{TARGET.lower()}",
        f"mj1:up:{TARGET[:-1]}U",
        "mj1:up:" + "9" * 5000,
    ],
)
def test_forged_or_old_mark_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(NotFound, match="another version"):
        read_mark(text)
