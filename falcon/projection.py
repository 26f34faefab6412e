"""A frozen matrix and the low-rank adapter on it: the product and its gradients, on plain tensors.

    y = x W^T + s drop(x) A^T B^T        LoRA: Hu et al. 2021 (arXiv 2106.09685), s = alpha / r

What autograd and peft's module wrappers would do in a dozen passes over memory is done in as few as it takes. The
adapter's small product is written first and the large one is added onto it inside the matrix multiplication. W's own
gradient is never taken, and an NF4 matrix is dequantised once a pass. Shapes: T tokens, I and O the matrix's input and
output width, R the adapter's rank.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """W (O, I), plain or packed by bitsandbytes, with A (R, I) and B (O, R), both None where nothing is adapted.

    `scale` is s, `dropout` the share of inputs that the adapter does not see. `seed` arguments name a dropout mask:
    it is drawn again in backward rather than kept; None drops nothing.
    """

    weight: Any
    a: nn.Parameter | None
    b: nn.Parameter | None
    scale: float
    dropout: float

    def draw_seed(self) -> int | None:
        """Return a new mask's seed, drawn from torch's CPU generator, or None where this projection drops nothing."""
        if self.a is None or self.dropout == 0:
            return None
        return int(torch.randint(2**62, ()).item())

    def matrix(self) -> Tensor:
        """Return W (O, I) in the precision that is computed in."""
        state = getattr(self.weight, "quant_state", None)
        if state is None:
            plain: Tensor = self.weight
            return plain
        from bitsandbytes.autograd._functions import matmul_4bit  # noqa: PLC0415 - only NF4 needs it
        from bitsandbytes.functional import dequantize_4bit  # noqa: PLC0415

        if getattr(state, "packing_format_for_cpu", False):  # generating on a CPU relaid the weights, one way only
            unit = torch.eye(state.shape[1], dtype=state.dtype, device=self.weight.device)
            through: Tensor = matmul_4bit(unit, self.weight, quant_state=state)
            return through.T
        unpacked: Tensor = dequantize_4bit(self.weight.data, state)
        return unpacked

    def inner(self, x: Tensor, seed: int | None) -> Tensor | None:
        """Return drop(x) A^T, (T, R), or None without an adapter."""
        return None if self.a is None else self._seen(x, seed) @ self.a.to(x.dtype).T

    def output(self, x: Tensor, inner: Tensor | None, *, onto: Tensor | None = None) -> Tensor:
        """Return y (T, O), added onto `onto` in place where that is given."""
        if self.b is not None and inner is not None:
            b = self._scaled_b(x.dtype).T
            onto = inner @ b if onto is None else onto.addmm_(inner, b)
        weight = self.matrix().T
        return x @ weight if onto is None else onto.addmm_(x, weight)

    def inner_grad(self, grad: Tensor) -> Tensor | None:
        """Return the gradient of `inner`, (T, R), given that of y, (T, O)."""
        return None if self.b is None else grad @ self._scaled_b(grad.dtype)

    def input_grad(
        self, grad: Tensor, inner_grad: Tensor | None, seed: int | None, *, onto: Tensor | None = None
    ) -> Tensor:
        """Return the gradient of x, (T, I), added onto `onto` in place where that is given."""
        if self.a is not None and inner_grad is not None:
            through_adapter = self._seen(inner_grad @ self.a.to(grad.dtype), seed)
            onto = through_adapter if onto is None else onto.add_(through_adapter)
        weight = self.matrix()
        return grad @ weight if onto is None else onto.addmm_(grad, weight)

    def adapter_grads(
        self, grad: Tensor, x: Tensor, inner: Tensor | None, inner_grad: Tensor | None, seed: int | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the gradients of A and B, in their own precision, or two None without an adapter.

        `inner` may be None where it was not kept; it is then computed anew.
        """
        if self.a is None or self.b is None or inner_grad is None:
            return None, None
        inner = self.inner(x, seed) if inner is None else inner
        assert inner is not None
        grad_a = inner_grad.T @ self._seen(x, seed)
        grad_b = grad.T @ inner
        return grad_a.to(self.a.dtype), grad_b.to(self.b.dtype) * self.scale

    def _scaled_b(self, dtype: torch.dtype) -> Tensor:
        assert self.b is not None
        return (self.b.detach() * self.scale).to(dtype)

    def _seen(self, x: Tensor, seed: int | None) -> Tensor:
        """Return `x` with the dropped entries 0 and the others scaled up; the map is its own gradient's."""
        if seed is None:
            return x
        generator = torch.Generator(x.device).manual_seed(seed)
        mask = torch.empty_like(x).bernoulli_(1 - self.dropout, generator=generator)
        return mask.mul_(x).div_(1 - self.dropout)
