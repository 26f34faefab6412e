"""The arithmetic of Falcon's block over rows, in torch: what a CPU runs, and what the kernels are compared with.

Shapes: R rows, E hidden size, H query heads, D head size, F width of the MLP, L longest text.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from falcon.joined_weights import JoinedWeights, Norm
from falcon.memory import SMALL_MODEL_PARAMETERS
from falcon.row_model import Rows, Shortlist

PACKED_FOR_ROWS = 16  # oneDNN's layout depends a little on how many rows will be multiplied


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

    def shortlist(self, logits: Tensor, size: int) -> Shortlist:
        log_probs = logits.float().log_softmax(1)
        best = log_probs.topk(size)
        return Shortlist(
            log_probs=best.values,
            token_ids=best.indices,
            is_finite=log_probs.amax(1) <= 0,  # False for NaN
        )

    def top_tokens(self, scores: Tensor, size: int) -> Tensor:
        return scores.topk(size).indices

    def weights_changed(self) -> None:
        pass

    def masked_product(self, x: Tensor, matrix: Tensor, mask: Tensor) -> Tensor:
        return F.linear(x, matrix).mul_(mask)

    def prepare(self, rows: Rows) -> "PreparedRows":
        seen = rows.positions[:, None] >= torch.arange(rows.longest, device=rows.positions.device)
        return PreparedRows(
            cos=self._cos[rows.positions].unsqueeze(1),
            sin=self._sin[rows.positions].unsqueeze(1),
            places=rows.places[:, : rows.longest],
            write_at=rows.write_at,
            seen=seen[:, None, None],
        )

    def attend(self, y: Tensor, prepared: "PreparedRows", memory: Tensor) -> Tensor:
        num_rows, heads, size = len(y), self._num_heads, self._head_size
        qkv = y[:, : (heads + 2) * size].view(num_rows, heads + 2, size)
        turned = _turn(qkv[:, : heads + 1], prepared)  # query heads and the key
        memory.index_copy_(0, prepared.write_at, torch.cat([turned[:, heads], qkv[:, heads + 1]], 1))
        # All heads share one key/value head: as queries of one head they meet a fused kernel, and keys are read once.
        seen = memory[prepared.places].unsqueeze(1)  # (R, 1, L, 2D)
        attended = F.scaled_dot_product_attention(
            turned[:, None, :heads], seen[..., :size], seen[..., size:], attn_mask=prepared.seen
        )
        return torch.cat([attended.reshape(num_rows, -1), F.gelu(y[:, (heads + 2) * size :])], 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRows:
    """What all layers share: rotations (R, 1, D), the texts' places (R, L), and what each row may see (R, 1, 1, L)."""

    cos: Tensor
    sin: Tensor
    places: Tensor
    write_at: Tensor
    seen: Tensor


def _turn(heads: Tensor, prepared: PreparedRows) -> Tensor:
    first, second = heads.chunk(2, 2)
    return torch.addcmul(heads * prepared.cos, torch.cat([-second, first], 2), prepared.sin)


class PackedOperations(TorchOperations):
    """The same with matrices laid out for this processor by oneDNN, which halves a product of few rows.

    It holds every matrix a second time, so it is for small models.
    """

    def __init__(self, weights: JoinedWeights) -> None:
        super().__init__(weights)
        self._weights = weights
        self._packed: dict[int, Tensor] = {}
        self.weights_changed()

    def product(self, x: Tensor, matrix: Any, *, onto: Tensor | None = None) -> Tensor:
        packed = self._packed[id(matrix)]
        if onto is None:
            plain: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
            return plain
        added: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, onto, packed, None, "add")
        return added

    def weights_changed(self) -> None:
        """Lay the matrices out anew, after they were changed in place."""
        matrices = [matrix for layer in self._weights.layers for matrix in (layer.into, layer.out_of)]
        self._packed = {id(matrix): _pack(matrix) for matrix in (*matrices, self._weights.embedding)}


def can_pack(weights: JoinedWeights) -> bool:
    """Say whether this torch and processor have oneDNN's layouts, and the model is small enough to hold twice."""
    num_parameters = weights.embedding.numel() + sum(
        layer.into.numel() + layer.out_of.numel() for layer in weights.layers
    )
    is_small = num_parameters < SMALL_MODEL_PARAMETERS
    return (
        is_small and weights.device.type == "cpu" and torch.backends.mkldnn.is_available() and _packing_works(weights)
    )


def _packing_works(weights: JoinedWeights) -> bool:
    """Try one small product: the operations are torch's own for compiled code, and not promised to others."""
    try:
        matrix = torch.eye(16, dtype=weights.dtype)
        result = torch.ops.mkldnn._linear_pointwise.binary(matrix, matrix, _pack(matrix), None, "add")
        return bool(torch.equal(result, 2 * matrix))
    except (RuntimeError, AttributeError):
        return False


def _pack(matrix: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(matrix, PACKED_FOR_ROWS)
    return packed
