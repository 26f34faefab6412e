"""Options chosen and typed: what is typed wins, what is impossible is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ask_options import STYLES, AskOptions, joined, split_flags, with_options
from core.errors import InvalidParameter
from core.idea import read_idea

ALL = AskOptions(aspect_ratio="16:9", style="high", version="7")


def test_options_are_appended_as_midjourneys_own_parameters() -> None:
    assert with_options("a boy", ALL) == "a boy --ar 16:9 --s 250 --v 7"
    assert with_options("a boy", AskOptions(version="niji 7", style="raw")) == "a boy --raw --niji 7"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a boy --ar 1:1", "a boy --ar 1:1 --s 250 --v 7"),
        ("a boy --aspect 1:1", "a boy --aspect 1:1 --s 250 --v 7"),
        ("a boy --w 600 --h 300", "a boy --w 600 --h 300 --s 250 --v 7"),
        ("a boy --raw", "a boy --raw --ar 16:9 --v 7"),
        ("a boy --stylize 5", "a boy --stylize 5 --ar 16:9 --v 7"),
        ("a boy \u2014v 6", "a boy \u2014v 6 --ar 16:9 --s 250"),
        ("a boy --niji 6", "a boy --niji 6 --ar 16:9 --s 250"),
        ("a boy --no text, blur", "a boy --no text, blur --ar 16:9 --s 250 --v 7"),
    ],
)
def test_what_is_typed_wins_over_what_is_chosen(text: str, expected: str) -> None:
    assert with_options(text, ALL) == expected


def test_blank_text_stays_blank_so_that_it_is_refused_as_empty() -> None:
    assert with_options("  ", ALL) == "  "


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_taken_by_the_default_version(style: str) -> None:
    assert read_idea(with_options("a boy", AskOptions(style=style)), version="8.2").parameters


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (AskOptions(aspect_ratio="wide"), "aspect ratio 'wide' is not W:H"),
        (AskOptions(aspect_ratio="16:9 --stealth"), "is not W:H"),
        (AskOptions(style="loud"), "no style 'loud'; choose raw, low"),
        (AskOptions(version="99"), "no Midjourney version '99'"),
        (AskOptions(num_candidates=0), "0 is no possible number of prompts; choose 1 to 4"),
        (AskOptions(num_candidates=5), "5 is no possible number"),
    ],
)
def test_impossible_option_is_refused_with_its_value_and_the_cure(options: AskOptions, sentence: str) -> None:
    with pytest.raises(InvalidParameter, match=sentence):
        with_options("a boy", options)


@pytest.mark.parametrize(
    ("text", "bare", "options"),
    [
        ("a boy", "a boy", AskOptions()),
        ("a boy --count 3", "a boy", AskOptions(num_candidates=3)),
        ("a boy --ar 16:9 --count 2 --no text", "a boy --ar 16:9 --no text", AskOptions(num_candidates=2)),
        ("a boy --private --ar 2:3", "a boy --ar 2:3", AskOptions(is_private=True)),
        ("--private a boy", "a boy", AskOptions(is_private=True)),
        ("a boy \u2014count=4 \u2014PRIVATE", "a boy", AskOptions(num_candidates=4, is_private=True)),
        ("a boy --count 1, --private.", "a boy", AskOptions(num_candidates=1, is_private=True)),
        ("a boy --count 1 --count 4", "a boy", AskOptions(num_candidates=4)),
        ("a private count of 3", "a private count of 3", AskOptions()),
        ("a boy --counts 3 --privateer", "a boy --counts 3 --privateer", AskOptions()),
    ],
)
def test_own_flags_are_read_off_the_text_wherever_they_stand(text: str, bare: str, options: AskOptions) -> None:
    assert split_flags(text) == (bare, options)


@pytest.mark.parametrize("text", ["a boy --count", "a boy --count 0", "a boy --count 9", "a boy --count three"])
def test_count_without_a_possible_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="write --count and 1 to 4"):
        split_flags(text)


def test_typed_options_win_over_chosen_ones_also_where_they_say_no() -> None:
    chosen = AskOptions(aspect_ratio="1:1", style="low", version="7", num_candidates=4, is_private=True)
    typed = AskOptions(style="raw", num_candidates=1, is_private=False)
    assert joined(typed, chosen) == AskOptions(
        aspect_ratio="1:1", style="raw", version="7", num_candidates=1, is_private=False
    )


@given(st.text(max_size=80))
def test_taking_flags_out_leaves_none_and_any_other_text_alone(text: str) -> None:
    try:
        bare, options = split_flags(text)
    except InvalidParameter:
        return
    assert split_flags(bare)[1] == AskOptions()
    if options == AskOptions():
        assert bare == text
