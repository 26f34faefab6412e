"""What each step learns from, at which rate: arithmetic that a resumed run can do again."""

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.toy_learner import toy_config
from trainer.schedule import derived_seed, divide, learning_rate, plan_steps
from trainer.train_config import OptimizerConfig

LENGTHS = [3 + number % 10 for number in range(50)]


def flat(steps: list[list[list[int]]]) -> list[int]:
    return [number for step in steps for block in step for number in block]


def test_each_epoch_has_each_document_once() -> None:
    assert Counter(flat(plan_steps(LENGTHS, toy_config(loop__epochs=3.0)))) == dict.fromkeys(range(50), 3)


def test_epochs_differ_in_order_and_equal_seeds_do_not() -> None:
    one, two = (flat(plan_steps(LENGTHS, toy_config(loop__epochs=epochs))) for epochs in (1.0, 2.0))
    assert two[:50] == one
    assert two[50:] != one
    assert plan_steps(LENGTHS, toy_config()) == plan_steps(LENGTHS, toy_config())
    assert plan_steps(LENGTHS, toy_config()) != plan_steps(LENGTHS, toy_config(loop__seed=1))


def test_steps_are_whole_but_for_the_last_and_blocks_never_too_long() -> None:
    steps = plan_steps(LENGTHS, toy_config())
    assert {len(step) for step in steps[:-1]} == {2}
    assert 1 <= len(steps[-1]) <= 2
    assert all(sum(LENGTHS[number] for number in block) <= 32 for block in chain.from_iterable(steps))


def test_part_of_an_epoch_is_that_part_of_its_blocks() -> None:
    whole = list(chain.from_iterable(plan_steps(LENGTHS, toy_config(loop__epochs=1.0))))
    half = list(chain.from_iterable(plan_steps(LENGTHS, toy_config(loop__epochs=0.5))))
    assert half == whole[: round(len(whole) / 2)]
    assert len(flat(plan_steps(LENGTHS, toy_config(loop__epochs=1e-9)))) > 0, "something is always learned"


def test_steps_end_at_the_most_that_is_wanted() -> None:
    assert plan_steps(LENGTHS, toy_config(loop__max_steps=3)) == plan_steps(LENGTHS, toy_config())[:3]
    assert len(plan_steps(LENGTHS, toy_config(loop__max_steps=1000))) < 100


def test_without_packing_a_block_is_one_document() -> None:
    steps = plan_steps(LENGTHS, toy_config(tokens__is_packed=False, loop__epochs=1.0))
    assert sorted(flat(steps)) == list(range(50))
    assert all(len(block) == 1 for block in chain.from_iterable(steps))
    assert flat(steps) != list(range(50))


@given(st.lists(st.integers(1, 100), min_size=1, max_size=40), st.integers(1, 16))
def test_block_is_divided_into_parts_that_are_about_equal_and_lose_nothing(lengths: list[int], num_parts: int) -> None:
    block = list(range(len(lengths)))
    parts = divide(block, lengths, num_parts)
    assert list(chain.from_iterable(parts)) == block
    assert 1 <= len(parts) <= num_parts
    assert all(parts)
    most = max(sum(lengths[number] for number in part) for part in parts)
    assert most <= sum(lengths) / num_parts + max(lengths)


def test_learning_rate_rises_then_falls_along_a_cosine_to_its_final_share() -> None:
    optimizer = OptimizerConfig(lr=1.0, warmup_share=0.1, final_lr_share=0.2)
    rates = [learning_rate(step, 100, optimizer) for step in range(100)]
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.6), "half way down"
    assert rates[99] == pytest.approx(0.2, abs=1e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_learning_rate_without_warm_up_begins_at_the_top() -> None:
    optimizer = OptimizerConfig(lr=0.5, warmup_share=0.0, final_lr_share=1.0)
    assert [learning_rate(step, 3, optimizer) for step in range(3)] == [0.5, 0.5, 0.5]


def test_seeds_differ_with_every_number_and_its_place() -> None:
    seeds = {derived_seed(*numbers) for numbers in ((0,), (1,), (0, 0), (0, 1), (1, 0), (1, 0, 0))}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)
