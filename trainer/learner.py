"""The model that is being tuned, as the loop sees it: examples in, a sum of nats out, adapter weights to save.

The loop knows no more of a model than `Learner`, so its rules can be tested on models of a few numbers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from falcon.packed_batch import PackedBatch
from trainer.packing import collate
from trainer.preferences.losses import objective_loss
from trainer.preferences.strength import Divergence
from trainer.qlora import Trainable, prepare_model
from trainer.schedule import derived_seed
from trainer.tokens import Document, Example
from trainer.train_config import SUPERVISED, ObjectiveSettings, TrainConfig


class Learner(Protocol):
    """What the loop needs of a model."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The weights that learn, by name, in an order that is always the same."""

    def loss(self, examples: Sequence[Example]) -> Tensor:
        """Return a sum over the examples, a scalar that gradients flow back from.

        Of documents it is the nats of their answer tokens.
        """

    def switch(self, *, is_training: bool) -> None:
        """Turn dropout on or off."""


def make_trainable(config: TrainConfig, folder: Path, device: torch.device) -> Trainable:
    """Load the base in `folder` with the fresh adapter that `config` describes, the same one for the same seed.

    Raises:
        ModelError, NotEnoughMemory: as trainer.qlora.prepare_model says.
    """
    switch = config.loop.is_compiled
    torch.manual_seed(derived_seed(config.loop.seed))
    return prepare_model(
        folder,
        lora=config.lora,
        memory=config.memory,
        block_tokens=config.tokens.block_tokens,
        device=device,
        is_compiled=switch == "on" or (switch == "auto" and device.type == "cuda"),
    )


class FalconLearner:
    """A Falcon with a LoRA adapter.

    Blocks are padded to few sizes where code is compiled, once a size, and on a GPU, whose allocator keeps memory of
    each size that it was asked for and breaks into pieces under a cap.
    """

    def __init__(self, trainable: Trainable, *, block_tokens: int, objective: ObjectiveSettings = SUPERVISED) -> None:
        self._trainable = trainable
        self._block_tokens = block_tokens
        self._objective = objective
        self._parameters = {name: weight for name, weight in trainable.model.named_parameters() if weight.requires_grad}

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The adapter's weights."""
        return self._parameters

    def loss(self, examples: Sequence[Example]) -> Tensor:
        """Return the sum of what the examples cost by the objective, in nats."""
        documents = [document for example in examples for document in example.documents]
        nats = self._anchored_nats(examples, documents) if self._anchors(examples) else self._answer_nats(documents)
        if all(isinstance(example, Document) and example.weight == 1 for example in examples):
            return nats.sum()
        return objective_loss(examples, sum_by_document(nats, documents), self._objective)

    def _anchors(self, examples: Sequence[Example]) -> bool:
        """Say whether plain documents are learned against the base; measuring never does that."""
        is_anchored = self._objective.is_anchored and self._objective.kind != "supervised"
        return is_anchored and torch.is_grad_enabled() and any(isinstance(example, Document) for example in examples)

    def _anchored_nats(self, examples: Sequence[Example], documents: Sequence[Document]) -> Tensor:
        plain = [isinstance(example, Document) for example in examples for _ in example.documents]
        counts = torch.tensor([document.num_answer_tokens for document in documents])
        is_anchored = torch.tensor(plain).repeat_interleave(counts)
        return self._trainable.anchored_answer_nats(self._collated(documents), is_anchored)

    @torch.no_grad()
    def reference_nats(self, documents: Sequence[Document]) -> Tensor:
        """Return the nats (N,) that each document's answer costs the base model, whatever the adapter has learned."""
        model = self._trainable.model
        was_training = bool(model.training)
        self.switch(is_training=False)
        try:
            with model.disable_adapter():
                return sum_by_document(self._answer_nats(documents), documents)
        finally:
            self.switch(is_training=was_training)

    @torch.no_grad()
    def divergence(self, documents: Sequence[Document]) -> Divergence:
        """Return how far the adapter is from the base model on the documents' answers."""
        model = self._trainable.model
        was_training = bool(model.training)
        self.switch(is_training=False)
        try:
            crossed = self._all_anchored_nats(documents)
            with model.disable_adapter():
                entropy = self._all_anchored_nats(documents)
        finally:
            self.switch(is_training=was_training)
        return Divergence(entropy_nats=float(entropy), divergence_nats=float(crossed - entropy))

    def _all_anchored_nats(self, documents: Sequence[Document]) -> Tensor:
        num_tokens = sum(document.num_answer_tokens for document in documents)
        is_anchored = torch.ones(num_tokens, dtype=torch.bool)
        return self._trainable.anchored_answer_nats(self._collated(documents), is_anchored).double().sum()

    def _answer_nats(self, documents: Sequence[Document]) -> Tensor:
        return self._trainable.answer_nats(self._collated(documents))

    def _collated(self, documents: Sequence[Document]) -> PackedBatch:
        return collate(documents, pad_to=self.padded_size(sum(map(len, documents))))

    def padded_size(self, num_tokens: int) -> int | None:
        """Return the size that a block of `num_tokens` is padded to, None where it stays as it is."""
        is_padded = self._trainable.is_compiled or self._trainable.device.type == "cuda"
        return padded_tokens(num_tokens, self._block_tokens) if is_padded else None

    def switch(self, *, is_training: bool) -> None:
        """Turn the adapter's dropout on or off."""
        self._trainable.model.train(is_training)

    def save(self, folder: Path) -> None:
        """Write the adapter into `folder` as peft does."""
        self._trainable.model.save_pretrained(folder)


def sum_by_document(nats: Tensor, documents: Sequence[Document]) -> Tensor:
    """Return the nats (N,) of each document, given those (M,) of all their answer tokens, in float32.

    Each sum stands alone, so it does not depend on what else is in the block, and no addition is left to chance.
    """
    parts = nats.split([document.num_answer_tokens for document in documents])
    return torch.stack([part.sum() for part in parts])


def padded_tokens(num_tokens: int, block_tokens: int) -> int:
    """Return the smallest size that holds `num_tokens`: the block's halved some times, or an eighth more than that.

    A block that is cut in two is cut at a document's end, so one half is a little longer than half the block; without
    the eighth it would be padded to the whole block, and cutting for want of memory would save none.
    """
    size = max(block_tokens, num_tokens)
    while size % 2 == 0 and size // 2 >= num_tokens:
        size //= 2
    half = size // 2
    longer_half = half + half // 8
    return longer_half if size % 16 == 0 and longer_half >= num_tokens else size
