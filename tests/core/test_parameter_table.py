"""The table holds what is documented, and nothing by accident."""

import pytest

from core.midjourney_versions import (
    ALL_VERSIONS,
    DEFAULT_VERSION,
    NUMBERED_VERSIONS,
    as_parameter,
    canonical_version,
    in_words,
    newest,
    since,
    titled,
)
from core.parameter_table import (
    IMAGE,
    RETIRED,
    RULES,
    Kind,
    canonical_name,
    rank_of,
    rule_of,
    spelling_of,
    takes_number,
)

ALIASES = {"ar": "aspect", "c": "chaos", "s": "stylize", "w": "weird", "q": "quality", "p": "profile", "r": "repeat"}
CREATIVE = {"aspect", "chaos", "stylize", "weird", "exp", "raw", "tile", "no"}
VALID_IN_8_2 = {
    *("aspect", "chaos", "stylize", "weird", "exp", "raw", "tile", "sref", "sw", "sv", "edit", "profile", "hd", "sd"),
    *("iw", "seed", "version", "niji", "repeat", "fast", "relax", "stealth", "public"),
    *("video", "motion", "loop", "end", "bs", "no"),
}


def test_table_holds_38_parameters_and_10_retired_flags() -> None:
    assert len(RULES) == len({rule.name for rule in RULES}) == 38
    assert len(RETIRED) == 10


def test_no_name_or_alias_is_used_twice() -> None:
    spellings = [*(rule.name for rule in RULES), *(rule.short for rule in RULES if rule.short), *RETIRED]
    assert len(spellings) == len(set(spellings)) == 38 + 8 + 10


def test_every_alias_and_any_case_lead_to_the_full_name() -> None:
    for alias, name in (ALIASES | {"v": "version", "h": "height"}).items():
        assert canonical_name(alias) == canonical_name(alias.upper()) == name
    assert canonical_name("foo") is None


def test_needs_and_conflicts_name_parameters_of_the_table() -> None:
    named = [rule.needs for rule in RULES if rule.needs not in (None, IMAGE)]
    named += [conflict.partition(" ")[0] for rule in RULES for conflict in rule.conflicts]
    assert len(named) == 15
    assert all(name is not None and rule_of(name) for name in named)


def test_a_needed_parameter_stands_before_the_one_that_needs_it() -> None:
    pairs = [(rule.needs, rule.name) for rule in RULES if rule.needs not in (None, IMAGE)]
    assert len(pairs) == 8
    assert all(rank_of(needed or "") < rank_of(name) for needed, name in pairs)


def test_choices_are_given_for_every_version_of_a_choice() -> None:
    choices = [rule for rule in RULES if rule.kind is Kind.CHOICE]
    assert len(choices) == 7
    for rule in choices:
        assert all(rule.choices_in(version) for version in rule.versions - rule.code_versions), rule.name


def test_bounds_are_given_for_every_number() -> None:
    numbers = [rule for rule in RULES if rule.kind in (Kind.INTEGER, Kind.DECIMAL)]
    assert len(numbers) == 11
    assert all(rule.minimum < rule.maximum for rule in numbers)


def test_version_8_2_takes_29_parameters() -> None:
    assert {rule.name for rule in RULES if "8.2" in rule.versions} == VALID_IN_8_2
    assert len(VALID_IN_8_2) == 29


def test_a_model_may_add_eight_parameters() -> None:
    assert {rule.name for rule in RULES if rule.is_creative} == CREATIVE


def test_no_is_rendered_last_and_unknown_names_right_before_it() -> None:
    ranks = [rank_of(rule.name) for rule in RULES]
    assert ranks == sorted(ranks)
    assert RULES[-1].name == "no"
    assert rank_of("bs") < rank_of("foo") == rank_of("uplight") < rank_of("no")


def test_short_spellings_are_rendered_and_retired_names_stay_long() -> None:
    assert [spelling_of(name) for name in ("aspect", "exp", "height", "foo")] == ["ar", "exp", "height", "foo"]


def test_names_that_take_numbers_are_told_from_the_rest() -> None:
    assert all(takes_number(name) for name in ("ar", "AR", "c", "v", "niji", "q", "iw", "h", "width", "sv"))
    assert not any(takes_number(name) for name in ("no", "raw", "sref", "style", "test", "motion", "foo"))


@pytest.mark.parametrize(
    ("typed", "version"),
    [
        ("8.2", "8.2"),
        ("v8.2", "8.2"),
        ("version 6.0", "6"),
        (" 7 ", "7"),
        ("niji 7", "niji 7"),
        ("niji6", "niji 6"),
        ("n5", "niji 5"),
        ("9", None),
        ("niji 3", None),
        ("", None),
        ("latest", None),
    ],
)
def test_version_names_are_read_as_people_write_them(typed: str, version: str | None) -> None:
    assert canonical_version(typed) == version


def test_there_are_16_versions_and_the_default_is_the_newest() -> None:
    assert len(ALL_VERSIONS) == 16
    assert NUMBERED_VERSIONS[-1] == DEFAULT_VERSION == newest(ALL_VERSIONS)


def test_sets_of_versions_are_said_in_words() -> None:
    assert in_words(since("5", "niji 5")) == "versions 5 to 8.2 and niji 5 to 7"
    assert in_words({"1", "2", "3", "5", "6"}) == "versions 1 to 3, 5 and 6"
    assert in_words({"7"}) == "version 7"
    assert in_words({"niji 5"}) == "niji 5"
    assert (titled("7"), titled("niji 7")) == ("version 7", "niji 7")
    assert (as_parameter("7"), as_parameter("niji 7")) == ("--v 7", "--niji 7")
