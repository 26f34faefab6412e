"""Length-bucketed batches: whole documents side by side, padded on the right, so that none can see another.

With causal attention and padding on the right no real token ever attends to padding, so no mask is needed. Buckets of a
few fixed widths keep padding low. Shapes: D documents, B rows of a batch, T tokens of a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer.pretraining.config import MAX_DOCUMENT_TOKENS
from trainer.pretraining.corpus import PAD_ID, EncodedPairs

BUCKET_WIDTHS = (32, 40, 48, 56, 64, 72, 80, 96, 128, MAX_DOCUMENT_TOKENS)
IGNORED_LABEL = -100  # torch's cross-entropy leaves such targets out


@dataclass(frozen=True, slots=True)
class Bucket:
    """Documents of similar length as one padded tensor `input_ids` (D, T) int16, kept small on the device."""

    input_ids: Tensor

    @property
    def width(self) -> int:
        return int(self.input_ids.shape[1])

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return `input_ids` (B, T) int64 and `labels` (B, T), which hide the padding."""
        input_ids = self.input_ids[rows].long()
        return input_ids, input_ids.masked_fill(input_ids == PAD_ID, IGNORED_LABEL)


def make_buckets(pairs: EncodedPairs, device: torch.device) -> list[Bucket]:
    """Sort documents into buckets by length; empty buckets are left out.

    Raises:
        ValueError: a document is longer than the widest bucket.
    """
    lengths = pairs.lengths
    if len(lengths) and int(lengths.max()) > BUCKET_WIDTHS[-1]:
        raise ValueError(f"a document of {int(lengths.max())} tokens exceeds the widest bucket of {BUCKET_WIDTHS[-1]}")
    which = np.searchsorted(np.asarray(BUCKET_WIDTHS), lengths)
    buckets = []
    for number, width in enumerate(BUCKET_WIDTHS):
        documents = np.flatnonzero(which == number)
        if len(documents) == 0:
            continue
        padded = np.full((len(documents), width), PAD_ID, dtype=np.int16)
        columns = np.arange(width)[None, :]
        inside = columns < lengths[documents][:, None]
        source = pairs.offsets[documents][:, None] + columns
        padded[inside] = pairs.tokens[source[inside]]
        buckets.append(Bucket(torch.from_numpy(padded).to(device)))
    return buckets


def epoch(
    buckets: Sequence[Bucket], *, tokens_per_step: int, generator: torch.Generator
) -> Iterator[tuple[int, Tensor]]:
    """Yield (bucket number, rows (B,)) so that each document occurs once, in an order drawn from `generator` (CPU)."""
    plan: list[tuple[int, Tensor]] = []
    for number, bucket in enumerate(buckets):
        order = torch.randperm(len(bucket.input_ids), generator=generator)
        plan.extend((number, rows) for rows in order.split(max(1, tokens_per_step // bucket.width)))
    for index in torch.randperm(len(plan), generator=generator).tolist():
        yield plan[index]
