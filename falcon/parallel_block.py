"""Falcon's parallel decoder block as one step of autograd, forward and backward written out.

    h = LayerNorm(x);  y = x + Dense(attention(QKV(h))) + Down(gelu(Up(h)))

Both branches read the same h and add into the same residual, so every sum happens inside a matrix product. Kept for
backward are x, the turned heads, what attention returned, and Up(h); h and its GELU are computed anew, which costs two
cheap passes and saves a third of the memory. A checkpointed block keeps x alone: backward repeats QKV, attention and
Up, but never the two products that only made y. Shapes: T tokens, E hidden size, H query heads, D head size, F width of
the MLP, R the adapters' rank.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from falcon.attention import packed_attention
from falcon.pointwise import Pointwise
from falcon.projection import Projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One decoder layer's frozen tensors and adapters."""

    norm: nn.LayerNorm
    query_key_value: Projection
    dense: Projection
    up: Projection
    down: Projection
    num_heads: int

    def projections(self) -> tuple[Projection, ...]:
        """Return the four in the order in which their adapters are handed to autograd."""
        return (self.query_key_value, self.dense, self.up, self.down)

    def adapters(self) -> Iterator[nn.Parameter | None]:
        """Yield A and B of each projection."""
        for projection in self.projections():
            yield projection.a
            yield projection.b


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What all blocks of one forward pass share.

    `cos` and `sin` (T, D / 2) turn heads by their position; `cu_lengths` (N + 1,) bounds the documents. `is_kept` says
    whether backward will follow, `is_dropping` whether the adapters' dropout is on.
    """

    cos: Tensor
    sin: Tensor
    cu_lengths: Tensor
    max_length: int
    pointwise: Pointwise
    is_kept: bool
    is_dropping: bool


def run_block(x: Tensor, block: Block, shared: Pass, *, is_checkpointed: bool) -> Tensor:
    """Return y (T, E) of x (T, E)."""
    y: Tensor = _BlockFunction.apply(x, block, shared, is_checkpointed, *block.adapters())  # type: ignore[no-untyped-call]
    return y


@dataclass(slots=True)
class _Attended:
    """Attention with its own small graph: the turned query, key and value heads, and what came of them (T, H, D)."""

    leaves: tuple[Tensor, Tensor, Tensor]
    result: Tensor

    @classmethod
    def of(cls, turned: Tensor, shared: Pass) -> "_Attended":
        """Attend with the turned heads (T, H + 2, D)."""
        parts = turned[:, :-2], turned[:, -2:-1], turned[:, -1:]
        query, key, value = (part.detach().requires_grad_(shared.is_kept) for part in parts)
        with torch.set_grad_enabled(shared.is_kept):
            result = packed_attention(query, key, value, shared.cu_lengths, shared.max_length)
        return cls((query, key, value), result)

    @property
    def flat(self) -> Tensor:
        """Return the result as (T, E), without its graph."""
        return self.result.detach().flatten(1)

    def heads_grad(self, grad: Tensor, shared: Pass) -> Tensor:
        """Return the gradient of QKV(h), (T, E + 2 D), given that of `flat`."""
        query, key, value = torch.autograd.grad(self.result, self.leaves, grad.view_as(self.result))
        return shared.pointwise.rotate_back(query, key, value, shared.cos, shared.sin).flatten(1)


@dataclass(slots=True)
class _Kept:
    """What a block keeps for backward, or computes anew: Up(h) (T, F), attention, and the adapters' inner products.

    `inners` has one (T, R) for each projection; None where there is no adapter, or where it was not kept.
    """

    up: Tensor
    attended: _Attended
    inners: list[Tensor | None]


Seeds = tuple[int | None, ...]  # each projection's dropout mask, None for none


def _open(x: Tensor, block: Block, shared: Pass, seeds: Seeds) -> _Kept:
    """Compute the block up to its activation."""
    hidden = _layer_norm(block.norm, x)[0]
    inner_qkv, inner_up = block.query_key_value.inner(hidden, seeds[0]), block.up.inner(hidden, seeds[2])
    heads = block.query_key_value.output(hidden, inner_qkv).view(len(x), block.num_heads + 2, -1)
    turned = shared.pointwise.rotate(heads, shared.cos, shared.sin)
    del heads
    return _Kept(block.up.output(hidden, inner_up), _Attended.of(turned, shared), [inner_qkv, None, inner_up, None])


def _close(x: Tensor, kept: _Kept, block: Block, shared: Pass, seeds: Seeds) -> Tensor:
    """Compute the rest, and add the last two inner products to what is kept."""
    attended, active = kept.attended.flat, shared.pointwise.gelu(kept.up)
    kept.inners[1], kept.inners[3] = block.dense.inner(attended, seeds[1]), block.down.inner(active, seeds[3])
    y = block.dense.output(attended, kept.inners[1], onto=x.clone())
    return block.down.output(active, kept.inners[3], onto=y)


def _layer_norm(norm: nn.LayerNorm, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the normed x, and the mean and the inverse deviation that its gradient needs."""
    normed: tuple[Tensor, Tensor, Tensor] = torch.native_layer_norm(
        x, norm.normalized_shape, norm.weight, norm.bias, norm.eps
    )
    return normed


Grads = tuple[Tensor | None, Tensor | None]  # of A and B


def _dense_backward(grad: Tensor, kept: _Kept, block: Block, shared: Pass, seed: int | None) -> tuple[Tensor, Grads]:
    """Return the gradients of QKV(h) and of Dense's adapter, given that of y."""
    inner_grad = block.dense.inner_grad(grad)
    grads = block.dense.adapter_grads(grad, kept.attended.flat, kept.inners[1], inner_grad, seed)
    return kept.attended.heads_grad(block.dense.input_grad(grad, inner_grad, seed), shared), grads


def _down_backward(grad: Tensor, kept: _Kept, block: Block, shared: Pass, seed: int | None) -> tuple[Tensor, Grads]:
    """Return the gradients of Up(h) and of Down's adapter, given that of y."""
    inner_grad = block.down.inner_grad(grad)
    active_grad = block.down.input_grad(grad, inner_grad, seed)
    active, up_grad = shared.pointwise.gelu_and_backward(kept.up, active_grad)
    return up_grad, block.down.adapter_grads(grad, active, kept.inners[3], inner_grad, seed)


class _BlockFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, block: Block, shared: Pass, is_checkpointed: bool, *_: Any) -> Tensor:
        ctx.block, ctx.shared = block, shared
        ctx.seeds = tuple(each.draw_seed() if shared.is_dropping else None for each in block.projections())
        ctx.save_for_backward(x)
        kept = _open(x, block, shared, ctx.seeds)
        y = _close(x, kept, block, shared, ctx.seeds)
        ctx.kept = None if is_checkpointed or not shared.is_kept else kept
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        block, shared, seeds = ctx.block, ctx.shared, ctx.seeds
        (x,), grad = ctx.saved_tensors, grads[0].contiguous()
        # 1. both branches back to what they read: h
        kept = ctx.kept or _open(x, block, shared, seeds)
        ctx.kept = None  # its memory is wanted now, not at the end of backward
        up_grad, down_grads = _down_backward(grad, kept, block, shared, seeds[3])
        heads_grad, dense_grads = _dense_backward(grad, kept, block, shared, seeds[1])
        inner_qkv, _, inner_up, _ = kept.inners
        del kept
        # 2. the adapters that read h
        hidden, mean, inverse_deviation = _layer_norm(block.norm, x)
        qkv, up = block.query_key_value, block.up
        qkv_inner_grad, up_inner_grad = qkv.inner_grad(heads_grad), up.inner_grad(up_grad)
        qkv_grads = qkv.adapter_grads(heads_grad, hidden, inner_qkv, qkv_inner_grad, seeds[0])
        up_grads = up.adapter_grads(up_grad, hidden, inner_up, up_inner_grad, seeds[2])
        adapters = (*qkv_grads, *dense_grads, *up_grads, *down_grads)
        if not ctx.needs_input_grad[0]:  # the first block reads frozen embeddings
            return None, None, None, None, *adapters
        # 3. x, through the norm and past it
        hidden_grad = qkv.input_grad(heads_grad, qkv_inner_grad, seeds[0])
        hidden_grad = up.input_grad(up_grad, up_inner_grad, seeds[2], onto=hidden_grad)
        norm = block.norm
        x_grad, _, _ = torch.ops.aten.native_layer_norm_backward(
            hidden_grad, x, norm.normalized_shape, mean, inverse_deviation, norm.weight, norm.bias, [True, False, False]
        )
        return x_grad.add_(grad), None, None, None, *adapters
