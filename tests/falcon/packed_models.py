"""Tiny Falcons with random adapters, packed blocks of documents, and the numbers that transformers and peft get."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional as F

from falcon.packed_batch import PackedBatch
from falcon.packed_forward import packed_hidden_states
from tests.falcon.tiny_falcon import tiny_falcon

ALL_PROJECTIONS = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
DOCUMENTS = ([2, 3, 4, 5, 6, 7], [8, 9, 10], [11, 3, 2, 5, 7, 0, 9, 13])


def adapted_falcon(
    *,
    target_modules: Sequence[str] = ALL_PROJECTIONS,
    lora_dropout: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Any:
    """Return a tiny Falcon with an adapter that changes its answers, dropout on; the base is the same each time."""
    lora = LoraConfig(
        r=4, lora_alpha=12, lora_dropout=lora_dropout, target_modules=list(target_modules), task_type="CAUSAL_LM"
    )
    model = get_peft_model(tiny_falcon(num_attention_heads=4), lora, autocast_adapter_dtype=False)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.1)
    return model.to(dtype).train()


def packed(documents: Sequence[Sequence[int]], *, num_questions: int = 1) -> PackedBatch:
    """Return the documents end to end; the first `num_questions` tokens of each are its question."""
    lengths = [len(document) for document in documents]
    bounds = torch.tensor([0, *lengths]).cumsum(0)
    input_ids = torch.tensor([token for document in documents for token in document])
    ranges = [torch.arange(start + num_questions - 1, end - 1) for start, end in pairwise(bounds.tolist())]
    positions = torch.cat(ranges)
    return PackedBatch(
        input_ids=input_ids,
        position_ids=torch.cat([torch.arange(length) for length in lengths]),
        cu_lengths=bounds.int(),
        max_length=max(lengths),
        answer_positions=positions,
        answer_ids=input_ids[positions + 1],
        num_tokens=len(input_ids),
    )


def packed_nats(model: Any, batch: PackedBatch, **options: bool) -> Tensor:
    """Return the sum of nats of the batch's answers, by our forward pass and torch's own cross entropy."""
    hidden = packed_hidden_states(model, batch, **options)
    logits = hidden[batch.answer_positions] @ model.get_input_embeddings().weight.T
    return F.cross_entropy(logits, batch.answer_ids, reduction="sum")


def transformers_nats(model: Any, documents: Sequence[Sequence[int]], *, num_questions: int = 1) -> Tensor:
    """Return the same by transformers' and peft's own forward pass, one document at a time."""
    total = torch.zeros(())
    for document in documents:
        logits = model(input_ids=torch.tensor([document]), use_cache=False).logits[0]
        targets = torch.tensor(document[num_questions:])
        total = total + F.cross_entropy(logits[num_questions - 1 : -1], targets, reduction="sum")
    return total


def gradients(model: Any, nats: Tensor) -> dict[str, Tensor]:
    """Return what `nats` asks of each trained parameter."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    return dict(zip(trained, torch.autograd.grad(nats, list(trained.values())), strict=True))
