"""Replay against the base model's whole distribution: what a token costs when the base's probabilities are the target.

A text that the base model drew says of each token only which one was drawn; the base's own probabilities say what could
have been. Learning them leaves the adapter at the base with no noise at all (knowledge distillation; Hinton et al.
2015, arXiv 1503.02531, section 2, at temperature 1), so opinions can move it further for the same held-out loss.
Logits live a chunk at a time, and their gradient is taken at once, as in trainer/loss.py. Shapes: M answer tokens,
E hidden size, V vocabulary, C tokens of a chunk.
"""

from typing import Any

import torch
from torch import Tensor

from trainer.loss import CHUNK_TOKENS


def anchored_nats(
    hidden: Tensor, base_hidden: Tensor, head_weight: Tensor, *, chunk_tokens: int = CHUNK_TOKENS
) -> Tensor:
    """Return the cross-entropy (M,) of `hidden` (M, E) with what `base_hidden` (M, E) foretells, in float32.

    It is the base's entropy plus the divergence from it, in nats. No gradient reaches `base_hidden` or `head_weight`
    (V, E).
    """
    nats: Tensor = _ChunkedDistillation.apply(hidden, base_hidden, head_weight, chunk_tokens)  # type: ignore[no-untyped-call]
    return nats


class _ChunkedDistillation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, base_hidden: Tensor, head_weight: Tensor, chunk_tokens: int) -> Tensor:
        grad = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        nats = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(hidden), chunk_tokens):
            part = slice(start, start + chunk_tokens)
            targets = (base_hidden[part] @ head_weight.T).softmax(-1, dtype=torch.float32)  # (C, V)
            log_probabilities = (hidden[part] @ head_weight.T).log_softmax(-1, dtype=torch.float32)
            nats[part] = -(targets * log_probabilities).sum(-1)
            if grad is not None:
                difference = log_probabilities.exp_().sub_(targets)
                torch.mm(difference.to(hidden.dtype), head_weight, out=grad[part])
        if grad is not None:
            ctx.save_for_backward(grad)
        return nats

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, None, None, None]:
        (grad,) = ctx.saved_tensors
        return grad * grad_outputs[0][:, None].to(grad.dtype), None, None, None
