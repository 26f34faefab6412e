"""Subject and prompt pairs, and the split that keeps them apart. All examples are invented."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.parameters import parse, validate
from trainer.cleaning import NameFinder
from trainer.pairs import (
    NearDuplicates,
    Pair,
    is_validation,
    pairs_of,
    split_key,
    trigrams,
    usual_ratio,
)

NAMES = NameFinder(["Zora Quillfeather"])
BODY = "a red fox, soft light, detailed fur"


def pairs(text: str, version: str = "8.2") -> list[Pair]:
    return list(pairs_of(text, NAMES, version=version))


def subjects(text: str) -> list[str]:
    return [pair.subject for pair in pairs(text)]


def tail(parameters: str, version: str = "8.2") -> str:
    """Return what becomes of the parameters behind a plain prompt."""
    [pair] = pairs(f"{BODY} {parameters}", version)
    assert pair.prompt.startswith(BODY)
    return pair.prompt.removeprefix(BODY).strip()


def test_subject_is_the_first_clause_and_the_prompt_is_all_of_it() -> None:
    assert pairs("A Red Fox, soft light, detailed fur") == [Pair("a red fox", BODY)]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("a red fox with a hat", ["a red fox", "a red fox with a hat"]),
        ("a red fox wearing a coat", ["a red fox", "a red fox wearing a coat"]),
        ("a castle surrounded by fog", ["a castle", "a castle surrounded by fog"]),
        ("a painting of a red fox", ["a red fox", "a painting of a red fox"]),
        ("an old oil painting of two owls", ["two owls", "an old oil painting of two owls"]),
        ("a red fox", ["a red fox"]),
    ],
)
def test_subject_is_also_what_stands_before_a_connective_or_behind_a_medium(first: str, expected: list[str]) -> None:
    found = pairs(f"{first}, soft light, detailed dusk")
    assert [pair.subject for pair in found] == expected
    assert {pair.prompt for pair in found} == {f"{first}, soft light, detailed dusk"}


@pytest.mark.parametrize(
    "text",
    [
        "fox",
        "a red fox",
        "a red fox, dusk",
        "fox, soft light, detailed fur",
        "portrait, soft light, warm dusk",
        "octane render, a fox, red dusk",
        "zora quillfeather, soft light, detailed fur",
        "https://a.example/x.png a red fox, soft light, dusk",
        "a red fox, " + ", ".join(f"soft word{'s' * n} here" for n in range(30)),
        " ".join(["word"] * 20) + ", soft light, detailed fur",
        "",
    ],
)
def test_prompt_without_a_usable_subject_or_without_more_than_one_gives_no_pair(text: str) -> None:
    assert pairs(text) == []


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("--ar 16:9", "--ar 16:9"),
        ("--w 1920 --h 1080", "--ar 16:9"),
        ("--w 6000 --h 3000", "--ar 2:1"),
        ("--ar 11:17", "--ar 2:3"),
        ("--ar 9:1", ""),
        ("--w 500", ""),
        ("--weird 500", ""),
        ("--stylize 5000", ""),
        ("--s 200 --chaos 10", ""),
        ("--uplight --upbeta --test --testp --creative", ""),
        ("--seed 7 --fast --hd", ""),
        ("--v 3", ""),
        ("--no Text, Blur", "--no text, blur"),
        ("--no zora quillfeather", ""),
        ("--tile", "--tile"),
        ("--frobnicate 3", ""),
    ],
)
def test_parameters_are_rewritten_to_what_people_type_today(parameters: str, expected: str) -> None:
    assert tail(parameters) == expected


def test_parameters_of_an_old_version_do_not_hide_behind_it() -> None:
    assert tail("--v 3 --ar 16:9") == "--ar 16:9"


@pytest.mark.parametrize("hidden", ["{--weird 500}", "{ --ar }", "{dusk --v 3}", "{--tile}"])
def test_prompt_whose_parameters_hide_in_braces_gives_no_pair(hidden: str) -> None:
    """Cleaning takes the braces away, and `--weird 500` would be learned as if it were words."""
    assert pairs(f"{BODY} {hidden}") == []


TAIL_PIECES = ("--ar", "16:9", "--w", "900", "--h", "300", "--no", "a,", "--v", "3", "--q", "--tile", "--hd", "5", "--")


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from([*TAIL_PIECES, "::2", "{", "}"])))
def test_every_tail_is_valid_today(pieces: list[str]) -> None:
    for pair in pairs(f"{BODY} {' '.join(pieces)}"):
        assert validate(parse(pair.prompt), "8.2") == ()
        assert {parameter.name for parameter in parse(pair.prompt).parameters} <= {"aspect", "no", "tile"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("16:9", "16:9"),
        ("1920:1080", "16:9"),
        ("9:16", "9:16"),
        ("1:1", "1:1"),
        ("100:99", "1:1"),
        ("11:17", "2:3"),
        ("6000:3000", "2:1"),
        ("1:3", "1:3"),
        ("9:1", None),
        ("5:1", None),
    ],
)
def test_odd_ratio_becomes_the_usual_one_nearby_or_none(value: str, expected: str | None) -> None:
    assert usual_ratio(value) == expected


@pytest.mark.parametrize(
    "text",
    ["red fox", "A Red Fox, dusk", "the red fox --ar 3:2", "red fox; mist", "an  RED-fox —v 5", "“red fox”, x"],
)
def test_split_key_is_the_bare_first_clause(text: str) -> None:
    assert split_key(text) == "red fox"


def test_split_key_is_six_words_at_most() -> None:
    assert split_key("one two three four five six seven") == split_key("one two three four five six eight, x")


def test_share_of_validation_keys_is_what_was_asked_for() -> None:
    keys = [f"key {number}" for number in range(20_000)]
    for percent in (1.0, 12.0, 50.0):
        share = sum(is_validation(key, percent=percent) for key in keys) / len(keys) * 100
        assert share == pytest.approx(percent, abs=percent**0.5 / 2)
    assert not any(is_validation(key, percent=0) for key in keys)
    assert all(is_validation(key, percent=100) for key in keys)


def test_side_of_a_key_never_changes() -> None:
    sides = "".join(str(int(is_validation(f"key {number}", percent=12))) for number in range(60))
    assert sides == "001000000010001000101000010100100000000000001000000000100100"


def test_larger_share_keeps_what_a_smaller_one_held_out() -> None:
    for number in range(1000):
        if is_validation(f"key {number}", percent=5):
            assert is_validation(f"key {number}", percent=12)


def test_near_duplicate_shares_half_of_its_trigrams_with_one_held_out_prompt() -> None:
    near = NearDuplicates(["one two three four five six", "alpha beta gamma delta epsilon"])
    assert "one two three four five six" in near
    assert "One, two, three four!" in near
    assert "zero one two three four nine" in near  # 2 of 4
    assert "one two three four x y z" not in near  # 2 of 5
    assert "one two three x y z w v" not in near  # 1 of 6
    assert "one two three x alpha beta gamma y" not in near  # 2 of 6, and of two prompts
    assert "one two" not in near
    assert "" not in near


SENTENCES = st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join)


@settings(deadline=None)
@given(st.lists(SENTENCES, max_size=5), SENTENCES)
def test_near_duplicates_agree_with_counting_by_hand(held_out: list[str], text: str) -> None:
    own = trigrams(text)
    expected = any(own and len(own & trigrams(held)) * 2 >= len(own) for held in held_out)
    assert (text in NearDuplicates(held_out)) is expected
