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
    """`words` (N, K / 8) int32 of eight codes each, and `scales` (N, K / 64) float16.

    Within a block of 64 columns, word w holds columns w, 8 + w, 16 + w, …, the first in its lowest four bits: codes of
    one place in all words are then neighbouring columns, which a kernel multiplies together.
    """

    words: Tensor
    scales: Tensor

    @classmethod
    def of(cls, codes: Tensor, scales: Tensor) -> "Nf4Matrix":
        """Pack codes (N, K) of 0 to 15 with their blocks' scales (N, K / 64)."""
        blocks = codes.view(len(codes), -1, 8, 8).transpose(2, 3)  # (N, K / 64, word, place)
        words = torch.zeros(blocks.shape[:3], dtype=torch.int64, device=codes.device)
        for place in range(8):
            words |= blocks[..., place].long() << (4 * place)
        words = torch.where(words >= 2**31, words - 2**32, words)
        return cls(words.int().view(len(codes), -1), scales.half().contiguous())

    @property
    def shape(self) -> torch.Size:
        return torch.Size((self.words.shape[0], 8 * self.words.shape[1]))

    @property
    def num_bytes(self) -> int:
        return self.words.nbytes + self.scales.nbytes

    def numel(self) -> int:
        return self.shape.numel()

    def dense(self, dtype: torch.dtype) -> Tensor:
        """Return the matrix (N, K) unpacked."""
        places = torch.arange(8, device=self.words.device) * 4
        words = self.words.view(len(self.words), -1, 1, 8)  # (N, K / 64, 1, word)
        codes = (words >> places.view(8, 1)) & 15  # (N, K / 64, place, word)
        values = torch.tensor(NF4_VALUES, device=self.words.device)[codes]
        return (values * self.scales.float()[..., None, None]).view(self.shape).to(dtype)


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
    codes, scales = zip(*(_codes_and_scales(linear) for linear in linears), strict=True)
    for linear in linears:
        linear.weight = None
    return Nf4Matrix.of(torch.cat(codes, dim), torch.cat(scales, dim))


def _codes_and_scales(linear: Any) -> tuple[Tensor, Tensor]:
    """Return codes (N, K) uint8 and scales (N, K / 64) of one of bitsandbytes' modules."""
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
    pairs = linear.weight.data.view(rows, columns // 2)  # the earlier column in the high four bits
    return torch.stack([pairs >> 4, pairs & 15], 2).view(rows, columns), scales.view(rows, -1)
