"""What the base model thinks of rated documents, computed once before training.

The adapter is switched off for it, so a run that goes on finds the same numbers as when it began. Each process computes
all of them, in blocks that are always the same. It knows no loss.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from core.errors import NotEnoughMemory
from falcon.memory import is_out_of_memory
from trainer.packing import plan_blocks
from trainer.preferences.examples import PreferredDocument, RatedDocument
from trainer.schedule import Block, divide
from trainer.tokens import Document, Example


class Reference(Protocol):
    """A learner that can also say what its base model needs."""

    def reference_nats(self, documents: Sequence[Document]) -> Tensor:
        """Return the nats (N,) that the base model needs for each document's answer."""


def with_references(examples: Sequence[Example], reference: Reference, *, block_tokens: int) -> list[Example]:
    """Return `examples` in their order, the rated and preferred ones with what their documents cost the base model.

    Raises:
        NotEnoughMemory: a single document is too much for the device.
    """
    judged = {
        place: example
        for place, example in enumerate(examples)
        if isinstance(example, RatedDocument | PreferredDocument)
    }
    documents = [document for example in judged.values() for document in example.documents]
    nats = iter(_all_nats(documents, reference, block_tokens))
    known = {
        place: example.with_reference(tuple(next(nats) for _ in example.documents)) for place, example in judged.items()
    }
    return [known.get(place, example) for place, example in enumerate(examples)]


def _all_nats(documents: Sequence[Document], reference: Reference, block_tokens: int) -> list[float]:
    found = [0.0] * len(documents)
    lengths = [len(document) for document in documents]
    for block in plan_blocks(lengths, block_tokens, torch.Generator().manual_seed(0)):
        nats = _block_nats(block, documents, reference)
        for number, value in zip(block, nats, strict=True):
            found[number] = value
    return found


def _block_nats(block: Block, documents: Sequence[Document], reference: Reference) -> list[float]:
    """Return the nats of a block's documents, in halves where memory runs out."""
    try:
        nats: list[float] = reference.reference_nats([documents[number] for number in block]).tolist()
        return nats
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(block) == 1:
            raise NotEnoughMemory(
                "The device's memory is too small for a single document; lower max_document_tokens, or close other "
                "programs that use the device."
            ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    halves = divide(block, [len(document) for document in documents], 2)
    return [value for half in halves for value in _block_nats(half, documents, reference)]
