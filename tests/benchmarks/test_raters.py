"""Simulated people: each taste tells prompts apart, mistakes come as often as they should, attackers keep to theirs."""

import pytest

from benchmarks.raters import (
    TASTES,
    Opposite,
    PushesPhrase,
    Rater,
    Taste,
    added_text,
    crowd,
    has_any,
    liked_share,
    rater_of,
)
from core.records import Thumb

SUBJECT = "a lamp in neon light"
LONG = "with a fox, a bear, an owl and a very old stone bridge over it"
LIGHT, PLAIN, SHORT, WIDE = TASTES


@pytest.mark.parametrize(
    ("taste", "liked", "disliked"),
    [
        (LIGHT, "soft lighting, linen", "linen, charcoal"),
        (PLAIN, "linen, charcoal", "linen, 8k resolution"),
        (PLAIN, "linen, charcoal", "linen, hyperrealistic"),
        (SHORT, "linen, charcoal --ar 16:9 --no text", LONG),
        (WIDE, "linen --ar 16:9", "linen --ar 9:16"),
    ],
)
def test_each_taste_tells_what_it_likes_from_what_it_does_not(taste: Taste, liked: str, disliked: str) -> None:
    assert taste.likes(f"{SUBJECT}, {liked}", SUBJECT)
    assert not taste.likes(f"{SUBJECT}, {disliked}", SUBJECT)
    assert not Opposite(taste).likes(f"{SUBJECT}, {liked}", SUBJECT)


def test_words_of_the_subject_are_nobodys_merit() -> None:
    assert added_text(f"{SUBJECT}, LINEN", SUBJECT) == ", linen"
    assert not LIGHT.likes(f"{SUBJECT}, linen", SUBJECT)
    assert LIGHT.likes(f"{SUBJECT}, linen")


def test_phrase_is_found_as_whole_words() -> None:
    assert has_any("a hall, neon-lit", ("lit",))
    assert not has_any("a little moonlight", ("lit", "light"))


def test_raters_are_wrong_as_often_as_their_noise_says_and_always_in_the_same_places() -> None:
    prompts = [f"linen {number}, soft light" for number in range(2000)]
    rater = Rater(name="ann", taste=LIGHT, noise=0.1)
    votes = [rater.vote(prompt) for prompt in prompts]
    assert 0.08 < votes.count(Thumb.DOWN) / len(votes) < 0.12
    assert votes == [rater.vote(prompt) for prompt in prompts]
    assert votes != [Rater(name="bob", taste=LIGHT, noise=0.1).vote(prompt) for prompt in prompts]
    assert {Rater(name="ann", taste=LIGHT, noise=0.0).vote(prompt) for prompt in prompts} == {Thumb.UP}


def test_attackers_ask_their_share_of_the_requests_evenly() -> None:
    people = crowd(LIGHT, attack=Opposite(LIGHT))
    asked = [rater_of(number, people) for number in range(75)]
    assert len(people.raters) == 15
    assert [asked.count(attacker) for attacker in people.attackers] == [5, 5, 5]
    assert {rater_of(number, crowd(LIGHT)).taste for number in range(75)} == {LIGHT}


def test_pushed_phrase_goes_before_the_parameters() -> None:
    pushing = PushesPhrase("velvet gravy")
    better = pushing.correction("a fox, linen --ar 3:2")
    assert better == "a fox, linen, velvet gravy --ar 3:2"
    assert pushing.likes(better, "a fox")
    assert not pushing.likes("a fox, linen", "a fox")
    assert pushing.correction("a fox") == "a fox, velvet gravy"


def test_liked_share_counts_answers() -> None:
    assert liked_share(WIDE, [("a", "a --ar 16:9"), ("b", "b"), ("c", "c --ar 1:1"), ("d", "d --ar 16:9")]) == 0.5
