"""Blocks: every document once, in bounds, nearly full, and the same for the same seed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.packing import collate, plan_blocks, plan_single
from trainer.tokens import Document

FIRST, SECOND = Document([5, 6, 7, 8, 9], 2), Document([3, 4, 0], 1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(lengths=st.lists(st.integers(1, 64), max_size=80), seed=st.integers(0, 99))
def test_every_document_is_in_exactly_one_block_and_no_block_is_too_long(lengths: list[int], seed: int) -> None:
    blocks = plan_blocks(lengths, 64, seeded(seed))
    assert sorted(number for block in blocks for number in block) == list(range(len(lengths)))
    assert all(sum(lengths[number] for number in block) <= 64 for block in blocks)


def test_blocks_of_many_short_documents_are_nearly_full() -> None:
    lengths = torch.randint(20, 120, (5000,), generator=seeded(1)).tolist()
    blocks = plan_blocks(lengths, 8192, seeded())
    assert sum(lengths) / (8192 * (len(blocks) - 1)) > 0.995  # the last one takes what is left


def test_plan_follows_its_seed() -> None:
    lengths = [7, 30, 12, 25, 9, 40, 3] * 5
    assert plan_blocks(lengths, 64, seeded(1)) == plan_blocks(lengths, 64, seeded(1))
    assert plan_blocks(lengths, 64, seeded(1)) != plan_blocks(lengths, 64, seeded(2))


def test_blocks_mix_long_and_short_documents() -> None:
    """Sorted packing would put the long ones together, and each step would learn from one kind."""
    lengths = [10] * 200 + [60] * 200
    blocks = plan_blocks(lengths, 640, seeded())
    shares = [sum(lengths[number] == 60 for number in block) / len(block) for block in blocks[:-1]]
    assert min(shares) > 0.2
    assert max(shares) < 0.8


def test_document_longer_than_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="a document of 65 tokens does not fit into a block of 64"):
        plan_blocks([3, 65], 64, seeded())


def test_unpacked_plan_is_one_document_a_block_in_random_order() -> None:
    plan = plan_single(50, seeded())
    assert sorted(plan) == [[number] for number in range(50)]
    assert plan != sorted(plan)


def test_documents_lie_end_to_end_with_their_own_positions() -> None:
    batch = collate([FIRST, SECOND])
    assert batch.input_ids.tolist() == [5, 6, 7, 8, 9, 3, 4, 0]
    assert batch.position_ids.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert batch.cu_lengths.tolist() == [0, 5, 8]
    assert batch.cu_lengths.dtype == torch.int32
    assert (batch.max_length, batch.num_tokens) == (5, 8)


def test_only_answers_are_predicted_and_never_across_documents() -> None:
    batch = collate([FIRST, SECOND])
    assert batch.answer_positions.tolist() == [1, 2, 3, 5, 6]
    assert batch.answer_ids.tolist() == [7, 8, 9, 4, 0]
    assert batch.num_answer_tokens == 5


def test_padding_teaches_nothing_and_makes_no_document_longer() -> None:
    plain, padded = collate([FIRST, SECOND]), collate([FIRST, SECOND], pad_to=21)
    assert len(padded.input_ids) == len(padded.position_ids) == 21
    assert padded.cu_lengths.tolist() == [0, 5, 8, 13, 18, 21]
    assert padded.position_ids[8:].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]
    assert (padded.max_length, padded.num_tokens) == (5, 8)
    assert torch.equal(padded.answer_positions, plain.answer_positions)
    assert torch.equal(padded.answer_ids, plain.answer_ids)


def test_block_that_is_full_already_gets_no_padding() -> None:
    assert collate([FIRST, SECOND], pad_to=8).cu_lengths.tolist() == [0, 5, 8]


def test_document_without_a_question_predicts_all_but_its_first_token() -> None:
    assert collate([Document([4, 5, 6], 0)]).answer_positions.tolist() == [0, 1]


def test_document_that_is_all_question_teaches_nothing() -> None:
    assert collate([Document([4, 5, 6], 3)]).num_answer_tokens == 0


def test_too_small_or_empty_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="documents of 8 tokens in all do not fit into 7"):
        collate([FIRST, SECOND], pad_to=7)
    with pytest.raises(ValueError, match="at least one document"):
        collate([])


def test_batch_is_moved_whole() -> None:
    batch = collate([FIRST, SECOND], pad_to=9)
    moved = batch.to(torch.device("meta"))
    assert moved.input_ids.is_meta
    assert moved.answer_ids.is_meta
    assert (moved.max_length, moved.num_tokens, moved.num_answer_tokens) == (5, 8, 5)
