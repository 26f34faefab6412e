"""The loss of the answer tokens, without ever holding the logits of a whole block.

Falcon's vocabulary of 65,024 makes 2 GiB of float32 logits for 8,192 tokens, and their gradient as much again. Here a
chunk of logits lives at a time, and its gradient with respect to the hidden states is taken at once, while the chunk is
there: a token's nats depend on its own hidden state alone, so backward only has to scale each row (as in Liger Kernel,
Hsu et al. 2024, arXiv 2410.10989, section 3.2). Shapes: M answer tokens, E hidden size, V vocabulary, C tokens of a
chunk.
"""

from typing import Any

import torch
from torch import Tensor

CHUNK_TOKENS = 512  # large enough for the matrix product over 65,024 words, 0.4 GiB of logits in all their forms


def answer_loss(hidden: Tensor, head_weight: Tensor, answer_ids: Tensor, *, chunk_tokens: int = CHUNK_TOKENS) -> Tensor:
    """Return the sum of nats that `hidden` (M, E) needs for `answer_ids` (M,), a float32 scalar.

    `head_weight` (V, E) is frozen: no gradient reaches it. Divide by the answer tokens of the whole optimizer step, not
    of this block, or short blocks would weigh more.
    """
    return answer_nats(hidden, head_weight, answer_ids, chunk_tokens=chunk_tokens).sum()


def answer_nats(hidden: Tensor, head_weight: Tensor, answer_ids: Tensor, *, chunk_tokens: int = CHUNK_TOKENS) -> Tensor:
    """Return the nats (M,) that `hidden` (M, E) needs for each of `answer_ids` (M,), in float32.

    What is made of them may weigh each token as it likes. `head_weight` (V, E) is frozen: no gradient reaches it.
    """
    nats: Tensor = _ChunkedCrossEntropy.apply(hidden, head_weight, answer_ids, chunk_tokens)  # type: ignore[no-untyped-call]
    return nats


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head_weight: Tensor, answer_ids: Tensor, chunk_tokens: int) -> Tensor:
        needs_grad = ctx.needs_input_grad[0]
        grad = torch.empty_like(hidden) if needs_grad else None
        nats = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(hidden), chunk_tokens):
            part = slice(start, start + chunk_tokens)
            targets = answer_ids[part, None]  # (C, 1)
            logits = hidden[part] @ head_weight.T  # (C, V)
            log_probabilities = logits.log_softmax(-1, dtype=torch.float32)
            nats[part] = -log_probabilities.gather(1, targets)[:, 0]
            if grad is not None:
                probabilities = log_probabilities.exp_()
                probabilities.scatter_add_(1, targets, probabilities.new_full((), -1.0).expand(targets.shape))
                torch.mm(probabilities.to(hidden.dtype), head_weight, out=grad[part])
        if grad is not None:
            ctx.save_for_backward(grad)
        return nats

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, None, None, None]:
        (grad,) = ctx.saved_tensors
        return grad * grad_outputs[0][:, None].to(grad.dtype), None, None, None
