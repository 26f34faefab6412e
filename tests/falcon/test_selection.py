"""Which of the found texts are offered."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon.selection import Hypothesis, choose, content_words, has_repeated_ngram, jaccard_distance

WORDS = st.sampled_from(["fox", "snow", "red", "moon", "river", "lamp", "old", "tower", "rain"])
TEXTS = st.lists(WORDS, min_size=1, max_size=8).map(" ".join)
HYPOTHESES = st.lists(
    st.builds(Hypothesis, TEXTS, st.floats(-5, 0).map(lambda score: round(score, 3)), st.booleans()), max_size=12
)
COUNTS = st.integers(1, 8)
DISTANCES = st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0])


def chosen_from(items: list[Hypothesis], count: int = 4, min_distance: float = 0.5) -> list[Hypothesis]:
    return choose(items, count, min_distance=min_distance, distance_weight=1.0)


def distance(left: Hypothesis, right: Hypothesis) -> float:
    return jaccard_distance(content_words(left.text), content_words(right.text))


def is_sound(item: Hypothesis) -> bool:
    return item.is_ended and not has_repeated_ngram(item.text)


def test_prompt_to_avoid_is_offered_only_when_there_is_nothing_else() -> None:
    known, other = Hypothesis("a fox, oil painting --ar 2:3", -0.1, True), Hypothesis("a fox, pencil", -2.0, True)
    options = {"min_distance": 0.0, "distance_weight": 1.0, "avoid": ["A fox, oil painting --ar 16:9"]}
    assert choose([known, other], 2, **options) == [other]
    assert choose([known], 2, **options) == [known]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("a red fox", "a red fox", 0.0),
        ("a red fox", "Fox, RED, a", 0.0),
        ("a red fox", "blue river", 1.0),
        ("red fox", "red wolf", 2 / 3),
        ("red fox --ar 16:9", "red fox --ar 2:3 --no text", 0.0),
        ("", "", 0.0),
        ("", "fox", 1.0),
    ],
)
def test_distance_counts_words_and_not_parameters(left: str, right: str, expected: float) -> None:
    assert jaccard_distance(content_words(left), content_words(right)) == pytest.approx(expected)


def test_words_are_lower_case_without_punctuation_and_keep_their_apostrophe() -> None:
    assert content_words("The fox's 8k, film-like (light) --ar 3:2") == {"the", "fox's", "8k", "film", "like", "light"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two three four", False),
        ("one two three four one two three", False),
        ("one two three four, one two three four", True),
        ("One two three four five one TWO three four", True),
        ("one one one one", False),
        ("one one one one one", True),
        ("a b c d --no a b c d", False),
        ("", False),
    ],
)
def test_repeated_phrase_is_four_words_that_occur_twice(text: str, expected: bool) -> None:
    assert has_repeated_ngram(text) is expected


@given(HYPOTHESES, COUNTS, DISTANCES)
def test_never_more_than_asked_and_never_the_same_content_twice(
    items: list[Hypothesis], count: int, min_distance: float
) -> None:
    chosen = chosen_from(items, count, min_distance)
    contents = [content_words(item.text) for item in chosen]
    assert len(chosen) == min(count, len({content_words(item.text) for item in items}))
    assert len(set(contents)) == len(contents)
    assert all(item in items for item in chosen)


@given(HYPOTHESES.filter(lambda items: any(map(is_sound, items))), COUNTS)
def test_first_offered_has_the_best_score_of_the_sound_ones(items: list[Hypothesis], count: int) -> None:
    first = chosen_from(items, count)[0]
    assert is_sound(first)
    assert first.score == max(item.score for item in items if is_sound(item))


@given(HYPOTHESES, COUNTS, DISTANCES)
def test_nothing_unsound_is_offered_before_something_sound(
    items: list[Hypothesis], count: int, min_distance: float
) -> None:
    soundness = [is_sound(item) for item in chosen_from(items, count, min_distance)]
    assert soundness == sorted(soundness, reverse=True)


@given(HYPOTHESES, COUNTS, DISTANCES)
def test_near_pair_is_offered_only_when_no_sound_text_was_far_enough(
    items: list[Hypothesis], count: int, min_distance: float
) -> None:
    chosen = chosen_from(items, count, min_distance)
    for place in range(1, len(chosen)):
        item, before, left_over = chosen[place], chosen[:place], chosen[place:]
        if is_sound(item) and min(distance(item, other) for other in before) < min_distance:
            assert not [
                later
                for later in left_over
                if is_sound(later) and min(distance(later, other) for other in before) >= min_distance
            ]


def test_different_ideas_are_offered_before_better_copies() -> None:
    copies = [Hypothesis(f"red fox in snow lamp tower{'' if n == 0 else ' rain' * n}", -0.1 * n, True) for n in (0, 1)]
    other = Hypothesis("old river under the moon", -3.0, True)
    assert chosen_from([*copies, other], 2) == [copies[0], other]


def test_text_with_a_repeated_phrase_is_left_for_last() -> None:
    repeating = Hypothesis("a b c d a b c d", 0.0, True)
    sound = Hypothesis("fox river moon lamp", -4.0, True)
    assert chosen_from([repeating, sound], 2) == [sound, repeating]


def test_text_that_repeats_a_phrase_does_not_stand_in_for_a_sound_one_of_the_same_words() -> None:
    """Of equal contents the better score used to win, so the sound text was lost for the repeating one."""
    repeating, sound = Hypothesis("a b c d a b c d", -1.0, True), Hypothesis("a b c d", -2.0, True)
    assert chosen_from([repeating, sound]) == [sound]


def test_texts_that_differ_only_in_parameters_are_one_idea() -> None:
    ratios = [Hypothesis(f"red fox --ar {ratio}", -1.0, True) for ratio in ("1:1", "16:9", "2:3", "3:2")]
    assert len(chosen_from(ratios)) == 1


@given(HYPOTHESES)
def test_every_pair_of_a_generous_choice_is_accounted_for(items: list[Hypothesis]) -> None:
    chosen = chosen_from(items, 100, 0.0)
    assert all(distance(left, right) > 0 for left, right in combinations(chosen, 2))
