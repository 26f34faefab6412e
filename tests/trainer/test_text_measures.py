"""Counting on texts: BLEU against published values, variety, repetition, copies."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.text_measures import CopyFinder, Words, bleu, distinct, has_repeated_ngram, ngrams, self_bleu, words_of

TEXTS = st.lists(st.sampled_from("abcde"), max_size=12).map(tuple)
# The examples of NLTK's `sentence_bleu` (nltk 3.9.2); the expected numbers are what that function returns for them.
REFERENCES = (
    "It is a guide to action that ensures that the military will forever heed Party commands",
    "It is the guiding principle which guarantees the military forces always being under the command of the Party",
    "It is the practical guide for the army always to heed the directions of the party",
)
CLOSE = "It is a guide to action which ensures that the military always obeys the commands of the party"
FAR = "It is to insure the troops forever hearing the activity guidebook that party direct"


def split(text: str) -> Words:
    return tuple(text.split())


@pytest.mark.parametrize(("text", "expected"), [(CLOSE, 0.5045666840058485), (FAR, 0.03703131191121491)])
def test_bleu_equals_nltk_with_its_first_smoothing(text: str, expected: float) -> None:
    assert bleu(split(text), [split(reference) for reference in REFERENCES]) == pytest.approx(expected, abs=1e-12)


def test_bleu_is_1_for_a_reference_and_0_without_a_common_word() -> None:
    assert bleu(split("a red fox in snow"), [split("a blue owl"), split("a red fox in snow")]) == pytest.approx(1.0)
    assert bleu(split("a red fox"), [split("blue owls")]) == 0.0
    assert bleu((), [split("blue owls")]) == 0.0


def test_bleu_takes_from_a_text_that_is_shorter_than_its_nearest_reference() -> None:
    """Papineni et al. 2002, section 2.2.2: exp(1 - r / c) with r the length of the closest reference."""
    text, longer = split("a b c d"), split("a b c d e f")
    assert bleu(text, [longer]) == pytest.approx(math.exp(1 - 6 / 4))
    assert bleu(text, [longer, split("a b c x y")]) == pytest.approx(math.exp(1 - 5 / 4))


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=4))
def test_bleu_is_a_share_and_does_not_depend_on_the_references_order(text: Words, references: list[Words]) -> None:
    score = bleu(text, references)
    assert 0 <= score <= 1 + 1e-9
    assert bleu(text, references[::-1]) == pytest.approx(score)


def test_self_bleu_is_the_mean_over_each_text_against_the_others() -> None:
    one, two, three = split("a b c d e"), split("a b c d f"), split("x y z v w")
    expected = (bleu(one, [two, three]) + bleu(two, [one, three]) + bleu(three, [one, two])) / 3
    assert self_bleu([one, two, three]) == pytest.approx(expected)
    assert self_bleu([one, one]) == pytest.approx(1.0)
    assert self_bleu([one]) is None


def test_distinct_counts_over_all_texts_together() -> None:
    assert distinct([split("a b a"), split("a c")], 1) == pytest.approx(3 / 5)
    assert distinct([split("a b a"), split("a b")], 2) == pytest.approx(2 / 3)
    assert distinct([("a",)], 2) is None
    assert distinct([], 1) is None


def test_words_leave_out_parameters_case_and_punctuation_but_keep_other_scripts() -> None:
    assert words_of("A fox's den, lit by 3 Lamps -- soft --ar 16:9 --no fog") == split(
        "a fox's den lit by 3 lamps soft"
    )
    assert words_of("zwölf Füchse, 雪の中") == ("zwölf", "füchse", "雪の中")


def test_repeated_run_is_found_only_at_its_size() -> None:
    words = split("soft warm light and soft warm light")
    assert has_repeated_ngram(words, 3)
    assert not has_repeated_ngram(words, 4)
    assert not has_repeated_ngram((), 4)
    assert ngrams(split("a b"), 3) == []


def test_copied_share_counts_runs_of_eight_words_that_a_training_prompt_has() -> None:
    known = "one two three four five six seven eight nine, ten --ar 16:9"
    copies = CopyFinder([known, "short", known])
    assert len(copies) == 3, "each run once"
    assert copies.share([words_of("One two three four five six seven eight --tile")]) == 1.0
    half = words_of("one two three four five six seven eight other")
    assert copies.share([half]) == 0.5
    assert copies.share([half, half, words_of("a b c d e f g h")]) == pytest.approx(2 / 5)
    assert copies.share([words_of("two four")]) == 0.0
    assert CopyFinder([]).share([half]) == 0.0
