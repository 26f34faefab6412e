"""Lay documents into blocks of a fixed number of tokens, so that almost nothing is padding.

Planning is pure and repeatable; which document may see which is decided by the attention, which gets each document's
bounds. Shapes: T tokens of a block, N documents, M answer tokens.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence

import torch

from falcon.packed_batch import PackedBatch
from trainer.tokens import Document

PADDING_ID = 0  # any token will do: nothing attends to padding and padding teaches nothing


def plan_blocks(lengths: Sequence[int], block_tokens: int, generator: torch.Generator) -> list[list[int]]:
    """Return blocks of document numbers, each document once, in an order drawn from `generator` (CPU).

    Documents come in random order and go where they leave the least room (best fit), so blocks are random mixtures
    and nearly full. The blocks themselves are shuffled too: the emptier ones would all come last.

    Raises:
        ValueError: a document is longer than a block.
    """
    if lengths and max(lengths) > block_tokens:
        raise ValueError(f"a document of {max(lengths)} tokens does not fit into a block of {block_tokens}")
    blocks: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (free tokens, block), ascending
    for number in torch.randperm(len(lengths), generator=generator).tolist():
        place = bisect_left(room, (lengths[number], -1))
        if place == len(room):
            blocks.append([])
            free, block = block_tokens, len(blocks) - 1
        else:
            free, block = room.pop(place)
        blocks[block].append(number)
        insort(room, (free - lengths[number], block))
    return [blocks[index] for index in torch.randperm(len(blocks), generator=generator).tolist()]


def plan_single(num_documents: int, generator: torch.Generator) -> list[list[int]]:
    """Return one block a document, in an order drawn from `generator` (CPU): training without packing."""
    return [[number] for number in torch.randperm(num_documents, generator=generator).tolist()]


def collate(documents: Sequence[Document], *, pad_to: int | None = None) -> PackedBatch:
    """Lay `documents` end to end, and pad to `pad_to` tokens with documents that teach nothing.

    Padding comes in pieces no longer than the longest document, so it cannot make attention dearer.

    Raises:
        ValueError: there is no document, or together they are longer than `pad_to`.
    """
    if not documents:
        raise ValueError("a block needs at least one document")
    lengths = [len(document) for document in documents]
    num_tokens, longest = sum(lengths), max(lengths)
    missing = 0 if pad_to is None else pad_to - num_tokens
    if missing < 0:
        raise ValueError(f"documents of {num_tokens} tokens in all do not fit into {pad_to}")
    full, rest = divmod(missing, longest)
    lengths += [longest] * full + [rest] * (rest > 0)
    ids = [token for document in documents for token in document.input_ids] + [PADDING_ID] * missing
    cu_lengths = torch.zeros(len(lengths) + 1, dtype=torch.int32)
    cu_lengths[1:] = torch.tensor(lengths).cumsum(0)
    input_ids = torch.tensor(ids)
    positions = _answer_positions(documents)
    return PackedBatch(
        input_ids=input_ids,
        position_ids=torch.cat([torch.arange(length) for length in lengths]),
        cu_lengths=cu_lengths,
        max_length=longest,
        answer_positions=positions,
        answer_ids=input_ids[positions + 1],
        num_tokens=num_tokens,
    )


def _answer_positions(documents: Sequence[Document]) -> torch.Tensor:
    """Return (M,) the places whose next token belongs to an answer."""
    ranges, start = [], 0
    for document in documents:
        first = max(document.num_question_tokens, 1)
        ranges.append(torch.arange(start + first - 1, start + len(document) - 1))
        start += len(document)
    return torch.cat(ranges)
