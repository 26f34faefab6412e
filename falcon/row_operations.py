"""The arithmetic of Falcon's block over rows, in plain torch: what a CPU runs, and what the kernels are compared with.

Shapes: R rows, E hidden size, H query heads, D head size, F width of the MLP, L longest text.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from falcon.joined_weights import JoinedWeights, Norm
from falcon.row_model import Rows
from falcon.token_memory import TokenMemory


class TorchOperations:
    """`RowOperations` on any device."""

    def __init__(self, weights: JoinedWeights) -> None:
        dtype = weights.dtype
        self._cos, self._sin = weights.cos.to(dtype), weights.sin.to(dtype)
        self._num_heads, self._head_size = weights.num_heads, weights.head_size

    def layer_norm(self, x: Tensor, norm: Norm) -> Tensor:
        return F.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.eps)

    def product(self, x: Tensor, matrix: Any, *, onto: Tensor | None = None) -> Tensor:
        if not isinstance(matrix, Tensor):
            matrix = matrix.dense(x.dtype)
        return F.linear(x, matrix) if onto is None else onto.addmm_(x, matrix.T)

    def attend(self, y: Tensor, rows: Rows, memory: TokenMemory, layer: int) -> Tensor:
        num_rows, heads, size = len(y), self._num_heads, self._head_size
        qkv = y[:, : (heads + 2) * size].view(num_rows, heads + 2, size)
        turned = self._turn(qkv[:, : heads + 1], rows.positions)  # query heads and the key
        keys, values = memory.keys[layer], memory.values[layer]
        keys.index_copy_(0, rows.write_at, turned[:, heads])
        values.index_copy_(0, rows.write_at, qkv[:, heads + 1])
        # All heads share one key/value head: as queries of one head they meet a fused kernel, and keys are read once.
        places = rows.places[:, : rows.longest]
        seen = rows.positions[:, None] >= torch.arange(rows.longest, device=y.device)
        attended = F.scaled_dot_product_attention(
            turned[:, None, :heads],
            keys[places].unsqueeze(1),
            values[places].unsqueeze(1),
            attn_mask=seen[:, None, None],
        )
        z = y.new_empty(num_rows, heads * size + y.shape[1] - (heads + 2) * size)
        z[:, : heads * size] = attended.reshape(num_rows, -1)
        z[:, heads * size :] = F.gelu(y[:, (heads + 2) * size :])
        return z

    def _turn(self, heads: Tensor, positions: Tensor) -> Tensor:
        cos, sin = self._cos[positions].unsqueeze(1), self._sin[positions].unsqueeze(1)  # (R, 1, D)
        first, second = heads.chunk(2, 2)
        return heads * cos + torch.cat([-second, first], 2) * sin

