"""The reference that stored votes are compared with: it finds what a careless bot would store."""

import pytest

from benchmarks.chat_vote_model import Press, Presser, VoteModel

PAIR = ("ann", "prompt")


def model_of(*thumbs: str) -> VoteModel:
    model = VoteModel()
    for number, thumb in enumerate(thumbs):
        model.press(Press(number=number, pair=PAIR, thumb=thumb))
    return model


@pytest.mark.parametrize(
    ("thumbs", "standing"),
    [
        (("up",), "up"),
        (("up", "up"), None),
        (("up", "down"), "down"),
        (("up", "up", "up"), "up"),
        (("down", "up"), "up"),
    ],
)
def test_the_same_thumb_again_takes_a_vote_back_and_the_other_one_changes_it(thumbs, standing):
    assert model_of(*thumbs).standing.get(PAIR) == standing


def test_a_press_that_comes_again_changes_nothing():
    model = model_of("up", "down")
    model.press(Press(number=0, pair=PAIR, thumb="up"))
    assert (model.standing, model.history[PAIR]) == ({PAIR: "down"}, ["up", "down"])


def test_rows_that_say_the_same_have_no_differences():
    assert (
        model_of("up", "up", "down").differences([(*PAIR, "down")], [(*PAIR, "up"), (*PAIR, None), (*PAIR, "down")])
        == []
    )


@pytest.mark.parametrize(
    ("votes", "events"),
    [
        ([], [(*PAIR, "up"), (*PAIR, "down")]),  # a vote was lost
        ([(*PAIR, "up")], [(*PAIR, "up"), (*PAIR, "down")]),  # a change was lost
        ([(*PAIR, "down")], [(*PAIR, "up"), (*PAIR, "down"), (*PAIR, "down")]),  # a replay was stored
        ([(*PAIR, "down")], [(*PAIR, "down"), (*PAIR, "up")]),  # two presses changed places
        ([(*PAIR, "down"), ("bob", "prompt", "up")], [(*PAIR, "up"), (*PAIR, "down")]),  # a vote out of nothing
    ],
)
def test_rows_that_say_something_else_are_told(votes, events):
    assert len(model_of("up", "down").differences(votes, events)) == 1


def test_nobody_presses_while_an_earlier_press_of_theirs_is_on_its_way():
    presser = Presser([PAIR, ("bob", "prompt")])
    assert {presser.next_press({PAIR}).pair for _ in range(20)} == {("bob", "prompt")}
