"""Which pairs measure and which are learned from, how often, in which order and under which hash."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data.mix import content_hash, in_order, weighted
from trainer.data.split import Leak, Sides, split_pairs
from trainer.pairs import NearDuplicates, Pair, split_key, split_number

WORDS = ("fox", "owl", "ship", "tower", "lamp", "kettle", "bridge", "market")


def pair_of(number: int) -> Pair:
    """Return one of many pairs that have nothing in common but their form."""
    first = f"a {WORDS[number % 8]} number{number}"
    return Pair(first, f"{first}, glow{number} dusk{number} mist{number}")


MANY = [pair_of(number) for number in range(400)]


def split(pairs: list[Pair], share: float = 0.1, most: int = 1000) -> Sides:
    return split_pairs(pairs, share=share, max_validation=most)


def test_every_pair_is_on_one_side_or_dropped_for_a_reason() -> None:
    sides = split([*MANY, Pair("fox", MANY[0].prompt)])
    whole = [*sides.train, *sides.validation, *sides.dropped]
    assert len(whole) == len(set(whole)) == 401


def test_share_of_the_first_clauses_is_held_out() -> None:
    assert len(split(MANY, 0.1).validation) == pytest.approx(40, abs=15)
    assert len(split(MANY, 0.5).validation) == pytest.approx(200, abs=30)


def test_larger_share_keeps_what_a_smaller_one_held_out() -> None:
    assert split(MANY, 0.05).validation < split(MANY, 0.2).validation


def test_side_of_a_pair_does_not_depend_on_order_or_company() -> None:
    alone, all_of_them = split(MANY[:200]), split([*reversed(MANY)])
    assert alone.validation == all_of_them.validation & frozenset(MANY[:200])


def test_what_is_beyond_the_most_that_may_measure_is_learned_from() -> None:
    few = split(MANY, 0.5, most=10)
    assert len(few.validation) == 10
    assert len(few.train) == 390
    assert few.validation < split(MANY, 0.5).validation


def test_one_clause_is_held_out_and_one_is_not_however_few_there_are() -> None:
    for share in (0.001, 0.5):
        sides = split(MANY[:2], share)
        assert (len(sides.train), len(sides.validation)) == (1, 1)


def test_prompts_of_one_first_clause_are_never_divided() -> None:
    family = [Pair("a red fox", f"a red fox, glow{n} dusk{n} mist{n}") for n in range(20)]
    sides = split([*MANY, *family], 0.3)
    assert len(sides.validation.intersection(family)) in (0, 20)
    assert len(sides.train.intersection(family)) in (0, 20)


def test_family_that_is_larger_than_may_measure_is_cut_and_told() -> None:
    family = [Pair("a red fox", f"a red fox, glow{n} dusk{n} mist{n}") for n in range(20)]
    first = min(MANY, key=lambda pair: split_number(split_key(pair.prompt)))
    wanted = [pair for pair in MANY if pair != first]
    held_first = sorted([*wanted, family[0]], key=lambda pair: split_number(split_key(pair.prompt)))
    sides = split([*family, *held_first[-1:]], 0.5, most=5)
    assert len(sides.validation) == 5
    assert [*sides.dropped.values()].count(Leak.SPARE) == 15


def test_one_pair_of_a_held_out_prompt_measures_the_one_with_the_longest_subject() -> None:
    prompts = [f"a {word} with a hat, glow{word} dusk{word} mist{word}" for word in WORDS]
    pairs = [Pair(subject, p) for p in prompts for subject in (p.split(" with")[0], p.split(",")[0])]
    sides = split(pairs, 0.5)
    assert sides.validation
    assert all(pair.subject.endswith("with a hat") for pair in sides.validation)
    assert list(sides.dropped.values()).count(Leak.SIBLING) == len(sides.validation)


def test_training_pair_that_asks_for_a_held_out_subject_is_dropped() -> None:
    held = next(iter(split(MANY).validation))
    leak = Pair(held.subject, "a nameless beast, other words entirely here")
    assert split_number(split_key(leak.prompt)) > 0.1, "the pair's own side is the training side"
    sides = split([*MANY, leak])
    assert sides.dropped == {leak: Leak.SUBJECT}


def test_training_pair_that_says_nearly_what_a_held_out_prompt_says_is_dropped() -> None:
    held = next(iter(split(MANY).validation))
    leak = Pair("a beast", f"a beast, {held.prompt}")
    assert split_number(split_key(leak.prompt)) > 0.1
    assert split([*MANY, leak]).dropped == {leak: Leak.NEAR}


SMALL = st.builds(
    lambda subject, words: Pair(subject, ", ".join([subject, *words])),
    st.sampled_from(["a fox", "an owl", "a red fox", "the fox", "a ship at sea"]),
    st.lists(st.sampled_from(["soft light", "dusk", "mist and fog", "a fox"]), min_size=1, max_size=3),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(SMALL, max_size=12, unique=True), st.floats(0.01, 0.5), st.integers(1, 5))
def test_training_side_never_knows_the_validation_side(pairs: list[Pair], share: float, most: int) -> None:
    sides = split(pairs, share, most)
    held = {split_key(text) for pair in sides.validation for text in (pair.subject, pair.prompt)}
    near = NearDuplicates(pair.prompt for pair in sides.validation)
    for pair in sides.train:
        assert held.isdisjoint({split_key(pair.subject), split_key(pair.prompt)})
        assert pair.prompt not in near
    assert len(sides.validation) <= most
    assert len(sides.train) + len(sides.validation) + len(sides.dropped) == len(pairs)


@pytest.mark.parametrize(
    ("weight", "expected"), [(1, {1: 400}), (2, {2: 400}), (0.25, {1: 100}), (1.5, {1: 200, 2: 200}), (0.001, {})]
)
def test_weight_is_how_often_an_epoch_sees_each_pair(weight: float, expected: dict[int, int]) -> None:
    counts = [count for _, count in weighted(MANY, weight, seed=0)]
    assert {count: counts.count(count) for count in set(counts)} == expected


def test_seed_draws_the_part_that_a_fraction_takes_and_the_order_does_not() -> None:
    assert dict(weighted(MANY, 0.5, seed=0)) == dict(weighted(MANY[::-1], 0.5, seed=0))
    assert dict(weighted(MANY, 0.5, seed=0)) != dict(weighted(MANY, 0.5, seed=1))
    assert dict(weighted(MANY, 3, seed=0)) == dict(weighted(MANY, 3, seed=1))


def test_smaller_fraction_is_a_part_of_a_larger_one() -> None:
    assert dict(weighted(MANY, 0.2, seed=0)).keys() < dict(weighted(MANY, 0.6, seed=0)).keys()


def test_order_depends_on_the_pairs_alone_and_parts_copies() -> None:
    counted = [(pair, 2) for pair in MANY]
    order = [pair for _, pair in in_order("train", counted)]
    assert order == [pair for _, pair in in_order("train", counted[::-1])]
    assert len(order) == 800
    assert sum(first == second for first, second in pairwise(order)) < 10
    assert order != [pair for _, pair in in_order("validation", counted)]


def test_hash_is_of_what_is_there_and_of_nothing_else() -> None:
    def hashed(train: list[tuple[Pair, int]], validation: list[tuple[Pair, int]]) -> str:
        return content_hash(in_order("train", train), in_order("validation", validation))

    some, one = [(pair, 1) for pair in MANY[:5]], [(MANY[9], 1)]
    first = hashed(some, one)
    assert hashed(some[::-1], one) == first
    others = [
        hashed(some[:4], one),
        hashed(one, some),
        hashed([*some, *one], []),
        hashed([*some[:4], (MANY[4], 2)], one),
    ]
    moved = Pair(MANY[0].subject + " a", MANY[0].prompt.removeprefix("a "))
    assert len({first, *others, hashed([(moved, 1), *some[1:]], one)}) == 6


def test_hash_is_the_same_on_every_machine() -> None:
    pairs = [Pair("ein Caf\u00e9", "ein Caf\u00e9, regen, 夜 --ar 16:9"), Pair("a fox", "a fox, soft light")]
    found = content_hash(in_order("train", [(pairs[0], 2)]), in_order("validation", [(pairs[1], 1)]))
    assert found == "7aa58e9eeea7755ba11c8f43529901fcc67b1a8a52ba9ea04229917058fe2003"
