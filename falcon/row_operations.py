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
        self._num_heads, self._head_size = weights.num_heads, weights.head_size
        first, second = weights.sin.chunk(2, 1)
        signed = torch.cat([-first, second], 1)  # for heads whose halves changed places
        self._cos = _rotations(weights.cos.to(dtype), self._num_heads, of_value=1)
        self._sin = _rotations(signed.to(dtype), self._num_heads, of_value=0)

    def layer_norm(self, x: Tensor, norm: Norm) -> Tensor:
        return torch.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.eps)

    def product(self, x: Tensor, matrix: Any, *, onto: Tensor | None = None) -> Tensor:
        if not isinstance(matrix, Tensor):
            matrix = matrix.dense(x.dtype)
        return F.linear(x, matrix) if onto is None else onto.addmm_(x, matrix.T)

    def shortlist(self, logits: Tensor, size: int) -> Shortlist:
        best = logits.float().log_softmax(1).topk(size)
        # Where one logit is no number, all log-probabilities are NaN.
        return Shortlist(log_probs=best.values, token_ids=best.indices, is_finite=best.values[:, 0] <= 0)

    def top_tokens(self, scores: Tensor, size: int) -> Tensor:
        return scores.topk(size).indices

    def weights_changed(self) -> None:
        pass

    def masked_product(self, x: Tensor, matrix: Tensor, mask: Tensor) -> Tensor:
        return F.linear(x, matrix).mul_(mask)

    def prepare(self, rows: Rows) -> "PreparedRows":
        is_seen = rows.positions[:, None] >= torch.arange(rows.longest, device=rows.positions.device)
        bias = torch.zeros(is_seen.shape, dtype=self._cos.dtype, device=is_seen.device)
        return PreparedRows(
            cos=self._cos[rows.positions],
            sin=self._sin[rows.positions],
            places=rows.places[:, : rows.longest].flatten(),
            write_at=rows.write_at,
            bias=bias.masked_fill_(~is_seen, -torch.inf).unsqueeze(1),
        )

    def attend(self, y: Tensor, prepared: "PreparedRows", memory: Tensor) -> Tensor:
        heads, size = self._num_heads, self._head_size
        qkv, up = y.split([(heads + 2) * size, y.shape[1] - (heads + 2) * size], 1)
        qkv = qkv.view(len(y), heads + 2, size)
        turned = torch.addcmul(qkv * prepared.cos, qkv.roll(size // 2, 2), prepared.sin)
        query, stored = turned.split([heads, 2], 1)
        memory.index_copy_(0, prepared.write_at, stored.flatten(1))
        keys, values = memory.index_select(0, prepared.places).view(len(y), -1, 2 * size).chunk(2, 2)
        return torch.cat([_attention(query, keys, values, prepared.bias).flatten(1), F.gelu(up)], 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRows:
    """What all layers share: rotations, the texts' places (R·L,), and what hides later places (R, 1, L): 0 or -inf.

    A rotation is a row's factors (R, H+2, D) for query heads, key and value; the value is turned by nothing.
    """

    cos: Tensor
    sin: Tensor
    places: Tensor
    write_at: Tensor
    bias: Tensor


def _rotations(table: Tensor, num_heads: int, *, of_value: float) -> Tensor:
    """Return (L, H+2, D) the `table` (L, D) for every head and the key, and one number for the value."""
    return torch.cat(
        [table.unsqueeze(1).expand(-1, num_heads + 1, -1), torch.full_like(table, of_value).unsqueeze(1)], 1
    )


def _attention(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """Return (R, H, D) attention of query (R, H, D) to keys and values (R, L, D), which all heads share."""
    # Heads as queries of one head meet a fused kernel.
    attended = F.scaled_dot_product_attention(
        query.unsqueeze(1), keys.unsqueeze(1), values.unsqueeze(1), attn_mask=bias.unsqueeze(1)
    )
    return attended.squeeze(1)


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
