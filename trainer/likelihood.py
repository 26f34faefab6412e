"""How well a model predicts the answers of held-out pairs.

The documents are whole and the arithmetic is the training's own (packed forward, chunked loss), so validation losses
during training and afterwards can be compared.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.errors import InvalidData
from falcon.packed_batch import PackedBatch
from falcon.packed_forward import packed_hidden_states
from trainer.loss import answer_loss
from trainer.packing import collate, plan_blocks
from trainer.pairs import Pair
from trainer.tokens import Document, encode
from trainer.train_config import MAX_CONTEXT_TOKENS

NO_LIMIT_TOKENS = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """Held-out answers as the model sees them.

    `nats_per_token` is the mean over answer tokens, end-of-sequence included. `bits_per_byte` spreads the same bits
    over the UTF-8 bytes of the answers' text, so that models with different tokenizers can be compared.
    """

    nats_per_token: float
    bits_per_byte: float
    num_tokens: int
    num_pairs: int

    @property
    def perplexity(self) -> float:
        """The exponential of the mean loss: how many equally likely tokens the model hesitates between."""
        return math.exp(min(self.nats_per_token, 700.0))  # beyond, a float overflows


def measure_likelihood(model: Any, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]) -> Likelihood:
    """Measure `model` (evaluation mode, with or without an adapter) on the answers of `pairs`.

    Pairs longer than Falcon's context are left out.

    Raises:
        InvalidData: no pair is left.
    """
    whole = encode(pairs, tokenizer, max_document_tokens=NO_LIMIT_TOKENS).documents
    kept = [
        (pair, document) for pair, document in zip(pairs, whole, strict=True) if len(document) <= MAX_CONTEXT_TOKENS
    ]
    if not kept:
        raise InvalidData(f"None of {len(pairs)} validation pairs can be measured; add prompts to the data.")
    nats, num_tokens = _total_nats(model, [document for _, document in kept])
    return likelihood(
        nats,
        num_tokens=num_tokens,
        num_bytes=sum(len(pair.prompt.encode()) for pair, _ in kept),
        num_pairs=len(kept),
    )


def likelihood(nats: float, *, num_tokens: int, num_bytes: int, num_pairs: int) -> Likelihood:
    """Return the figures of `nats` spent on `num_tokens` answer tokens that spell `num_bytes` of text."""
    return Likelihood(
        nats_per_token=nats / num_tokens,
        bits_per_byte=nats / math.log(2) / num_bytes,
        num_tokens=num_tokens,
        num_pairs=num_pairs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairNats:
    """What one answer costs a model: all its nats, and its tokens, end-of-sequence included."""

    nats: float
    num_tokens: int


@torch.inference_mode()
def nats_by_pair(model: Any, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]) -> list[PairNats | None]:
    """Measure `model` (evaluation mode) on each answer alone; None for a pair longer than Falcon's context."""
    documents = encode(pairs, tokenizer, max_document_tokens=NO_LIMIT_TOKENS).documents
    numbers = [number for number, document in enumerate(documents) if len(document) <= MAX_CONTEXT_TOKENS]
    found: list[PairNats | None] = [None] * len(pairs)
    for place, nats in _document_nats(model, [documents[number] for number in numbers]):
        found[numbers[place]] = nats
    return found


def _document_nats(model: Any, documents: Sequence[Document]) -> Iterator[tuple[int, PairNats]]:
    for block, batch, hidden in _passes(model, documents):
        lengths = [documents[number].num_answer_tokens for number in block]
        parts = zip(hidden.split(lengths), batch.answer_ids.split(lengths), strict=True)
        for number, (states, ids) in zip(block, parts, strict=True):
            nats = float(answer_loss(states, model.get_output_embeddings().weight, ids))
            yield number, PairNats(nats=nats, num_tokens=len(ids))


@torch.inference_mode()
def _total_nats(model: Any, documents: Sequence[Document]) -> tuple[float, int]:
    total, num_tokens = 0.0, 0
    for _, batch, hidden in _passes(model, documents):
        total += float(answer_loss(hidden, model.get_output_embeddings().weight, batch.answer_ids))
        num_tokens += batch.num_answer_tokens
    return total, num_tokens


def _passes(model: Any, documents: Sequence[Document]) -> Iterator[tuple[list[int], PackedBatch, Tensor]]:
    """Yield the numbers of the documents in each block, the block, and the states (M, E) that foretell its answers."""
    device = model.get_output_embeddings().weight.device
    plan = plan_blocks([len(document) for document in documents], MAX_CONTEXT_TOKENS, torch.Generator().manual_seed(0))
    for block in plan:
        batch = collate([documents[number] for number in block]).to(device)
        hidden = packed_hidden_states(model, batch, is_checkpointed=False)  # (T, E)
        yield block, batch, hidden[batch.answer_positions]
