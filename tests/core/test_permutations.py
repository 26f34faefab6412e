"""Permutations and weights, as text."""

import pytest

from core.errors import InvalidParameter
from core.multi_prompts import Part, has_weights, split_weights, tidy_weights, without_weights
from core.permutations import expand_permutations, has_permutations, permutation_spans, without_stray_braces


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("a cat", ["a cat"]),
        ("a {red, blue} cat", ["a red cat", "a blue cat"]),
        ("{a, b} {c, d}", ["a c", "a d", "b c", "b d"]),
        ("a {red, {dark, pale} blue} cat", ["a red cat", "a dark blue cat", "a pale blue cat"]),
        (r"a {red\, warm, blue} cat", ["a red, warm cat", "a blue cat"]),
        (r"a\, b", [r"a\, b"]),
        ("a cat --ar {16:9, 1:1}", ["a cat --ar 16:9", "a cat --ar 1:1"]),
        ("a cat {--ar 1:1, --s 5}", ["a cat --ar 1:1", "a cat --s 5"]),
        ("a {, red} cat", ["a cat", "a red cat"]),
        ("a {red} cat", ["a red cat"]),
        ("pre{a,b}post", ["preapost", "prebpost"]),
        ("{open {a, b}", ["{open a", "{open b"]),
        ("a} {b, c}", ["a} b", "a} c"]),
        ("", [""]),
    ],
)
def test_permutation_expands_in_reading_order(text: str, prompts: list[str]) -> None:
    assert list(expand_permutations(text)) == prompts


def test_too_many_permutations_are_refused_before_they_are_made() -> None:
    with pytest.raises(InvalidParameter, match=r"make more than 40 prompts; leave some of them out\.$"):
        expand_permutations("{a, b}" * 200_000)
    with pytest.raises(InvalidParameter, match="more than 3"):
        expand_permutations("{a, b, c, d}", limit=3)
    assert len(expand_permutations("{a, b, c, d}", limit=4)) == 4


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    assert expand_permutations("{" * 5000 + "a" + "}" * 5000) == ("a",)


def test_only_paired_braces_are_permutations() -> None:
    assert has_permutations("a {b} c")
    assert not has_permutations("a } { b")
    assert permutation_spans("{a {b}} } {c}") == [(0, 7), (10, 13)]
    assert without_stray_braces("} {a {b}} {") == " {a {b}} "


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a cat", [("a cat", 1)]),
        ("hot::2 dog::-.5", [("hot", 2), ("dog", -0.5)]),
        ("hot:: dog", [("hot", 1), ("dog", 1)]),
        ("hot::10a dog::", [("hot", 10), ("a dog", 1)]),
        ("::2", []),
        ("", []),
    ],
)
def test_weights_are_read_after_each_part(text: str, parts: list[tuple[str, float]]) -> None:
    assert split_weights(text) == tuple(Part(*part) for part in parts)


def test_removing_weights_leaves_commas_and_drops_what_was_unwanted() -> None:
    assert without_weights("hot::2 dog, big::1 rain::-1 sun::") == "hot, dog, big, sun"
    assert without_weights("rain::-1") == "rain"
    assert without_weights("a:: --foo::2") == "a, foo"
    assert without_weights("::") == ""


def test_space_in_front_of_a_weight_is_dropped() -> None:
    assert tidy_weights("a  ::2 b :: c") == "a::2 b:: c"
    assert has_weights("a::b")
    assert not has_weights("a: :b")
