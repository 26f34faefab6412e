"""A block of whole documents laid end to end, as the packed forward pass reads it.

Shapes: T tokens of the block (padding included), N documents, M answer tokens.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBatch:
    """One micro-batch. Positions start at 0 in each document; padding is made of documents without an answer.

    `input_ids` and `position_ids` are (T,) int64. `cu_lengths` is (N + 1,) int32: document i covers the tokens
    `cu_lengths[i]` to `cu_lengths[i + 1]`, and none is longer than `max_length`. The hidden state at
    `answer_positions[j]` has to predict `answer_ids[j]`, both (M,) int64; all other positions teach nothing.
    `num_tokens` counts the tokens that are no padding.
    """

    input_ids: Tensor
    position_ids: Tensor
    cu_lengths: Tensor
    max_length: int
    answer_positions: Tensor
    answer_ids: Tensor
    num_tokens: int

    @property
    def num_answer_tokens(self) -> int:
        """Return M."""
        return int(self.answer_ids.shape[0])

    def to(self, device: torch.device) -> "PackedBatch":
        """Return the batch on `device`; copies to a GPU do not wait for it."""
        moved = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in moved.items():
            if isinstance(value, Tensor):
                staged = value.pin_memory() if device.type == "cuda" and value.device.type == "cpu" else value
                moved[name] = staged.to(device, non_blocking=True)
        return PackedBatch(**moved)
