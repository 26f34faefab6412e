"""What of a raw prompt may be learned from. All examples are invented."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.cleaning import NameFinder, clauses, clean_clauses, name_key, tidy

NAMES = NameFinder(["Zora Quillfeather", "Ölaf Brännström", "Mi'ra Okonwe-Lund", "Inkmasterly"])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a city, 4 k", "a city, 4k"),
        ("a city at 8 k resolution", "a city at 8k resolution"),
        ("the 1 9 th century", "the 19th century"),
        ("in 1 9 8 5", "in 1985"),
        ("8 5 mm lens", "85mm lens"),
        ("3 d render", "3d render"),
        ("f / 1. 4", "f/1.4"),
        ("f/ 1. 8 lens", "f/1.8 lens"),
        ("2 4 mm f / 2. 8", "24mm f/2.8"),
        ("10. 5 metres", "10.5 metres"),
        ("2 people", "2 people"),
        ("at 5 o'clock", "at 5 o'clock"),
        ("2 d'orsay chairs", "2 d'orsay chairs"),
    ],
)
def test_spaced_out_numbers_and_units_are_joined(raw: str, expected: str) -> None:
    assert tidy(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("A Red FOX", "a red fox"),
        ("sci - fi city", "sci-fi city"),
        ("the fox 's tail", "the fox's tail"),
        ("the fox’s tail", "the fox's tail"),
        ("((soft)) [light] {dusk} **bold**", "soft light dusk bold"),
        ("“quoted” fox", "quoted fox"),
        ("a cat::2 and a dog::1", "a cat, and a dog,"),
        ("wait... what!!", "wait what"),
        ("fox   and\n\thound", "fox and hound"),
        ("ｆｕｌｌ width", "full width"),
    ],
)
def test_case_marks_and_weights_are_folded_away(raw: str, expected: str) -> None:
    assert tidy(raw) == expected


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "Fox", "k", "/", ".", ",", ";", "-", "(", ")", "[", "!", "“", "*"]), max_size=12))
def test_tidying_keeps_the_words_in_lower_case_and_single_spaces(pieces: list[str]) -> None:
    once = tidy(" ".join(pieces))
    assert name_key(once.replace("-", " ")) == name_key(" ".join(pieces))
    assert once == " ".join(once.lower().split())


def test_clauses_are_split_at_commas_semicolons_full_stops_and_lone_slashes() -> None:
    assert clauses("a fox, red; dusk. mist / rain, , f/1.4") == ["a fox", "red", "dusk", "mist", "rain", "f/1.4"]


@pytest.mark.parametrize(
    "clause",
    [
        "by some painter",
        "art by anyone and another",
        "painted by somebody",
        "in the style of nobody",
        "style of nobody at all",
        "starring a person",
        "directed by somebody",
        "artstation",
        "trending on artstation",
        "featured on pixiv",
        "award winning",
        "zora quillfeather",
        "12345 678",
    ],
)
def test_clause_that_names_a_maker_a_site_or_nothing_is_dropped(clause: str) -> None:
    assert clean_clauses(f"a red fox, {clause}, soft light", NAMES) == ["a red fox", "soft light"]


@pytest.mark.parametrize(
    "clause",
    [
        "a house by the sea",
        "a wall covered by vines",
        "a hall lit by lamps",
        "a fox illuminated by neon light",
        "a boat by moonlight",
        "a fox led by a bear",
        "a bowl painted by hand",
    ],
)
def test_by_before_a_plain_thing_stays(clause: str) -> None:
    assert clean_clauses(f"{clause}, soft light", NAMES) == [clause, "soft light"]


def test_maker_is_cut_from_the_end_of_a_clause() -> None:
    assert clean_clauses("a red fox by somebody, soft light", NAMES) == ["a red fox", "soft light"]
    assert clean_clauses("a house by the lake by somebody, dusk", NAMES) == ["a house by the lake", "dusk"]


@pytest.mark.parametrize(
    "written",
    [
        "zora quillfeather",
        "quillfeather zora",
        "ZORA  Quillfeather",
        "zora-quillfeather",
        "a bit of zora quillfeather here",
        "olaf brannstrom",
        "ÖLAF BRÄNNSTRÖM",
        "mira okonwe lund",
        "mi'ra okonwe-lund",
        "inkmasterly",
    ],
)
def test_listed_name_is_found_however_it_is_written(written: str) -> None:
    assert NAMES.find(written) is not None
    assert clean_clauses(f"a fox, {written}, soft light", NAMES) == ["a fox", "soft light"]


@pytest.mark.parametrize("written", ["zora", "quillfeathers zora", "quill feather", "a zorax quillfeather", ""])
def test_other_words_are_no_listed_name(written: str) -> None:
    assert NAMES.find(written) is None


def test_names_without_letters_are_no_names() -> None:
    finder = NameFinder(["", "  ", "…", "Zora Quillfeather", "zora quillfeather"])
    assert finder.find("a fox") is None
    assert finder.find("zora quillfeather") == "zora quillfeather"


@pytest.mark.parametrize(
    "text",
    [
        "zora quillfeather, soft light",
        "a fox https://a.example/x, soft light",
        "a fox www.a.example, soft light",
        "a fox @someone, soft light",
        "a fox <#12>, soft light",
        "by somebody, soft light",
        "12345, soft light",
        "",
    ],
)
def test_prompt_whose_subject_would_be_wrong_is_dropped_whole(text: str) -> None:
    assert clean_clauses(text, NAMES) == []


def test_clause_that_comes_again_is_kept_once_and_dangling_words_go() -> None:
    assert clean_clauses("a fox with the, soft light, Soft - light, dusk and", NAMES) == ["a fox", "soft light", "dusk"]
