"""Matrices in four and eight bits: what they hold is what bitsandbytes and rounding say."""

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit, Params4bit

from core.errors import ModelError
from falcon.joined_weights import join_weights
from falcon.packed_matrices import NF4_VALUES, Nf4Matrix, int8_of, join_four_bit, quantise_int8
from tests.falcon.tiny_falcon import tiny_falcon


def four_bit(rows: int, columns: int, seed: int, *, is_nested: bool = True, kind: str = "nf4") -> Linear4bit:
    """Return a random layer that bitsandbytes has packed."""
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).bfloat16()
    linear = Linear4bit(columns, rows, bias=False, compute_dtype=torch.bfloat16, quant_type=kind)
    packed = Params4bit(
        weight, requires_grad=False, quant_type=kind, compress_statistics=is_nested, blocksize=64, module=linear
    )
    linear.weight = packed.to("cpu")
    return linear


def unpacked(linear: Linear4bit) -> torch.Tensor:
    return dequantize_4bit(linear.weight.data, linear.weight.quant_state).float()


@pytest.mark.parametrize("is_nested", [True, False])
@pytest.mark.parametrize("dim", [0, 1])
def test_joined_four_bit_matrices_hold_what_bitsandbytes_holds(dim: int, is_nested: bool) -> None:
    sizes = [(6, 128), (10, 128)] if dim == 0 else [(6, 64), (6, 192)]
    linears = [four_bit(*size, seed, is_nested=is_nested) for seed, size in enumerate(sizes)]
    expected = torch.cat([unpacked(linear) for linear in linears], dim)
    joined = join_four_bit(linears, dim)
    assert joined.shape == expected.shape
    # bitsandbytes rounds to bf16, we round the scale to float16
    torch.testing.assert_close(joined.dense(torch.float32), expected, rtol=2**-7, atol=1e-6)
    assert joined.num_bytes == expected.numel() // 2 + expected.numel() // 64 * 2
    assert all(linear.weight is None for linear in linears)


def test_codes_come_back_at_their_columns() -> None:
    codes = torch.randint(16, (5, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    scales = torch.tensor([[0.5, 2.0]]).expand(5, 2)
    expected = torch.tensor(NF4_VALUES)[codes.long()] * scales.repeat_interleave(64, 1)
    assert torch.equal(Nf4Matrix.of(codes, scales).dense(torch.float32), expected)


def test_other_four_bit_formats_are_refused() -> None:
    with pytest.raises(ModelError, match="fp4 in blocks of 64"):
        join_four_bit([four_bit(4, 64, 0, kind="fp4")], 0)


def test_int8_is_within_half_a_level_of_each_rows_range() -> None:
    matrix = torch.randn(7, 33, generator=torch.Generator().manual_seed(1))
    matrix[3] = 0
    packed = int8_of(matrix)
    error = (packed.dense(torch.float32) - matrix).abs()
    assert (error <= matrix.abs().amax(1, keepdim=True) / 254 + 1e-7).all()
    assert packed.num_bytes == 7 * 33 + 7 * 4


def test_int8_model_keeps_embeddings_and_norms() -> None:
    weights = join_weights(tiny_falcon(), 16)
    packed = quantise_int8(weights)
    assert packed.embedding is weights.embedding
    assert packed.layers[0].norm is weights.layers[0].norm
    assert packed.layers[1].out_of.shape == weights.layers[1].out_of.shape
