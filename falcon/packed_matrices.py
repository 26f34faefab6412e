"""Matrices in fewer bits: NF4 as bitsandbytes packs it, and int8 with one scale a row.

They hold codes and scales and can unpack themselves; multiplying without unpacking is the kernels' business.

Shapes: N rows (outputs), K columns (inputs).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.errors import ModelError
from falcon.joined_weights import JoinedWeights, Layer

NF4_BLOCK = 64  # columns that share a scale
# The 16 values of NF4: quantiles of a normal distribution (Dettmers et al. 2023, arXiv 2305.14314, appendix E).
NF4_VALUES = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)


@dataclass(frozen=True, slots=True)
class Nf4Matrix:
    """`codes` (N, K / 2) uint8, the earlier column in the high four bits, and `scales` (N, K / 64) float16."""

    codes: Tensor
    scales: Tensor

    @property
    def shape(self) -> torch.Size:
        return torch.Size((self.codes.shape[0], 2 * self.codes.shape[1]))

    @property
    def num_bytes(self) -> int:
        return self.codes.nbytes + self.scales.nbytes

    def numel(self) -> int:
        return self.shape.numel()

    def dense(self, dtype: torch.dtype) -> Tensor:
        """Return the matrix (N, K) unpacked."""
        values = torch.tensor(NF4_VALUES, device=self.codes.device)
        codes = torch.stack([self.codes >> 4, self.codes & 15], 2).long().view(self.shape)
        blocks = values[codes].view(len(codes), -1, NF4_BLOCK) * self.scales.float().unsqueeze(2)
        return blocks.view(self.shape).to(dtype)


@dataclass(frozen=True, slots=True)
class Int8Matrix:
    """`codes` (N, K) int8 and `scales` (N,) float32."""

    codes: Tensor
    scales: Tensor

    @property
    def shape(self) -> torch.Size:
        return self.codes.shape

    @property
    def num_bytes(self) -> int:
        return self.codes.nbytes + self.scales.nbytes

    def numel(self) -> int:
        return self.codes.numel()

    def dense(self, dtype: torch.dtype) -> Tensor:
        """Return the matrix (N, K) unpacked."""
        return (self.codes.float() * self.scales.unsqueeze(1)).to(dtype)


def int8_of(matrix: Tensor) -> Int8Matrix:
    """Return `matrix` (N, K) rounded to 255 levels of each row's own range."""
    scales = matrix.abs().amax(1).float().clamp(min=1e-12) / 127
    return Int8Matrix((matrix.float() / scales.unsqueeze(1)).round().to(torch.int8), scales)


def quantise_int8(weights: JoinedWeights) -> JoinedWeights:
    """Return the model with both matrices of every layer in int8; embeddings and norms stay as they are."""
    layers = tuple(
        Layer(norm=layer.norm, into=int8_of(layer.into), out_of=int8_of(layer.out_of)) for layer in weights.layers
    )
    return replace(weights, layers=layers)


def join_four_bit(linears: Sequence[Any], dim: int) -> Nf4Matrix:
    """Return bitsandbytes' 4-bit `linears` as one matrix, joined by outputs (`dim` 0) or inputs (1).

    The modules give up their weights, since packed matrices cannot be views of one another.

    Raises:
        ModelError: a matrix is of another kind than NF4 in blocks of 64.
    """
    parts = [_nf4_of(linear) for linear in linears]
    for linear in linears:
        linear.weight = None
    return Nf4Matrix(
        torch.cat([part.codes for part in parts], dim).contiguous(),
        torch.cat([part.scales for part in parts], dim).contiguous(),
    )


def _nf4_of(linear: Any) -> Nf4Matrix:
    from bitsandbytes.functional import dequantize_blockwise  # noqa: PLC0415 - only NF4 needs it

    state = linear.weight.quant_state
    rows, columns = state.shape
    if state.quant_type != "nf4" or state.blocksize != NF4_BLOCK or columns % NF4_BLOCK:
        raise ModelError(
            f"A 4-bit matrix is {state.quant_type} in blocks of {state.blocksize}; the engine takes nf4 in blocks of "
            f"{NF4_BLOCK}."
        )
    scales = state.absmax
    if state.nested:  # the scales are in 8 bits themselves
        scales = dequantize_blockwise(scales, state.state2) + state.offset
    return Nf4Matrix(linear.weight.data.view(rows, columns // 2), scales.view(rows, -1).half())
