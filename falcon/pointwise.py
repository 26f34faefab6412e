"""The memory-bound pieces of Falcon's block, each a pure function: run as it stands, or compiled into one kernel.

The matrix products stay with cuBLAS, which compiling does not better; these pieces are what it does. Shapes: T tokens,
H query heads, D head size, F width of the MLP.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn import functional as F


def rotate(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn query and key heads by their position, and copy the value head.

    `heads` is (T, H + 2, D): the query heads, then key and value. `cos` and `sin` are (T, D / 2). Formula: Su et al.
    2021 (arXiv 2104.09864), in the half-split layout of transformers' `rotate_half`.
    """
    halves = heads.unflatten(-1, (2, -1))  # (T, H + 2, 2, D / 2)
    cos, sin = cos[:, None], sin[:, None]
    turned: Tensor = halves * cos[:, None]
    turned[:, :, 0].addcmul_(halves[:, :, 1], sin, value=-1)
    turned[:, :, 1].addcmul_(halves[:, :, 0], sin)
    turned[:, -1].copy_(halves[:, -1])
    return turned.flatten(-2)


def rotate_back(query: Tensor, key: Tensor, value: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return the gradient of `rotate`'s heads, (T, H + 2, D), given those of the turned query, key and value heads."""
    return rotate(torch.cat([query, key, value], dim=1), cos, -sin)


def gelu(up: Tensor) -> Tensor:
    """Return the exact GELU of (T, F)."""
    return F.gelu(up)


def gelu_and_backward(up: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Return the GELU of `up` (T, F), computed anew, and the gradient of `up` given that of its GELU."""
    return F.gelu(up), torch.ops.aten.gelu_backward(grad, up)


@dataclass(frozen=True, slots=True)
class Pointwise:
    """One implementation of each piece."""

    rotate: Callable[[Tensor, Tensor, Tensor], Tensor]
    rotate_back: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
    gelu: Callable[[Tensor], Tensor]
    gelu_and_backward: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


EAGER = Pointwise(rotate, rotate_back, gelu, gelu_and_backward)


@cache
def compiled(backend: str = "inductor") -> Pointwise:
    """Return the pieces compiled; the first block of each size waits some seconds for it."""
    build = partial(torch.compile, fullgraph=True, backend=backend)
    return Pointwise(build(rotate), build(rotate_back), build(gelu), build(gelu_and_backward))
