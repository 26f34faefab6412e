"""`RowOperations` in Triton and cuBLAS: five kernels a layer.

Shapes: R rows, E hidden size, H query heads, D head size, F width of the MLP, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from falcon.joined_weights import JoinedWeights, Norm
from falcon.kernels.attention import attend_rows
from falcon.kernels.pointwise import layer_norm, store_and_activate
from falcon.kernels.products import Products
from falcon.kernels.shortlist import best_tokens
from falcon.row_model import Rows, Shortlist

FEW_ROWS = 16  # up to here our product reads a plain matrix faster than cuBLAS
FEW_PACKED_ROWS = 64  # beyond, a packed matrix is unpacked as a whole and multiplied by cuBLAS


@dataclass(frozen=True, slots=True)
class PreparedKernelRows:
    """What all layers share: positions and places to write, (R,) each, and the texts' places (R, L) int32."""

    positions: Tensor
    write_at: Tensor
    places: Tensor


class KernelOperations:
    """The fastest arithmetic on CUDA."""

    def __init__(self, weights: JoinedWeights) -> None:
        self._cos, self._sin = weights.cos, weights.sin
        self._num_heads, self._head_size = weights.num_heads, weights.head_size
        self._products = Products(weights.device)
        self._products.reserve(4 * 2**20)

    def layer_norm(self, x: Tensor, norm: Norm) -> Tensor:
        out = torch.empty_like(x)
        layer_norm(x, norm.weight, norm.bias, norm.eps, out)
        return out

    def product(self, x: Tensor, matrix: Any, *, onto: Tensor | None = None) -> Tensor:
        is_plain = isinstance(matrix, Tensor)
        if len(x) <= (FEW_ROWS if is_plain else FEW_PACKED_ROWS):
            return self._products.product(x, matrix, onto)
        dense: Tensor = matrix if is_plain else self._products.unpack(matrix, x.dtype)
        return F.linear(x, dense) if onto is None else torch.addmm(onto, x, dense.T, out=onto)

    def masked_product(self, x: Tensor, matrix: Tensor, mask: Tensor) -> Tensor:
        if len(x) > FEW_PACKED_ROWS:
            return F.linear(x, matrix).mul_(mask)
        return self._products.product(x, matrix, mask=mask)

    def prepare(self, rows: Rows) -> PreparedKernelRows:
        return PreparedKernelRows(rows.positions, rows.write_at, rows.places)

    def attend(self, y: Tensor, prepared: PreparedKernelRows, memory: Tensor) -> Tensor:
        hidden = self._num_heads * self._head_size
        rows, rotations = prepared, (self._cos, self._sin)
        z = y.new_empty(len(y), y.shape[1] - 2 * self._head_size)
        store_and_activate(y, *rotations, rows.positions, rows.write_at, memory, z, hidden_size=hidden)
        attend_rows(y, *rotations, memory, rows.places, rows.positions, z, num_heads=self._num_heads)
        return z

    def shortlist(self, logits: Tensor, size: int) -> Shortlist:
        log_probs, token_ids, is_finite = best_tokens(logits, size)
        return Shortlist(log_probs=log_probs, token_ids=token_ids, is_finite=is_finite)

    def top_tokens(self, scores: Tensor, size: int) -> Tensor:
        return best_tokens(scores, size)[1]

    def weights_changed(self) -> None:
        pass
