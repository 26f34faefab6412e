"""The model that is being tuned, as the loop sees it: documents in, a sum of nats out, adapter weights to save.

The loop knows no more of a model than `Learner`, so its rules can be tested on models of a few numbers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from trainer.packing import collate
from trainer.qlora import Trainable, prepare_model
from trainer.schedule import derived_seed
from trainer.tokens import Document
from trainer.train_config import TrainConfig


class Learner(Protocol):
    """What the loop needs of a model."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The weights that learn, by name, in an order that is always the same."""

    def loss(self, documents: Sequence[Document]) -> Tensor:
        """Return the sum of nats over the documents' answer tokens, a scalar that gradients flow back from."""

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
    """A Falcon with a LoRA adapter. Compiled code is made once a size, so blocks are padded to few sizes then."""

    def __init__(self, trainable: Trainable, *, block_tokens: int) -> None:
        self._trainable = trainable
        self._block_tokens = block_tokens
        self._parameters = {name: weight for name, weight in trainable.model.named_parameters() if weight.requires_grad}

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The adapter's weights."""
        return self._parameters

    def loss(self, documents: Sequence[Document]) -> Tensor:
        """Return the sum of nats over the documents' answer tokens."""
        size = None
        if self._trainable.is_compiled:
            size = padded_tokens(sum(map(len, documents)), self._block_tokens)
        return self._trainable.loss(collate(documents, pad_to=size))

    def switch(self, *, is_training: bool) -> None:
        """Turn the adapter's dropout on or off."""
        self._trainable.model.train(is_training)

    def save(self, folder: Path) -> None:
        """Write the adapter into `folder` as peft does."""
        self._trainable.model.save_pretrained(folder)


def padded_tokens(num_tokens: int, block_tokens: int) -> int:
    """Return the smallest size that holds `num_tokens`: the block's, or that halved some times."""
    size = max(block_tokens, num_tokens)
    while size % 2 == 0 and size // 2 >= num_tokens:
        size //= 2
    return size
