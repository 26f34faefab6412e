"""What happens between a layer's two products, apart from attention: one pass over the first product's result.

Shapes: R rows, H query heads, D head size, E = H·D hidden size, F width of the MLP, P places in token memory.
"""

import triton
import triton.language as tl
from torch import Tensor

ACTIVATIONS_A_PROGRAM = 2048


def turn_and_store(
    y: Tensor, cos: Tensor, sin: Tensor, positions: Tensor, write_at: Tensor, memory: Tensor, query: Tensor, z: Tensor
) -> None:
    """Turn heads by their position, store keys and values, and take the activation.

    Of y (R, E + 2D + F) the query heads, turned, go to query (R, H, D); the key, turned, and the value to `memory`
    (P, 2D) at place write_at[r]; gelu(up) to columns E and following of z (R, E + F). `cos` and `sin` (L, D) float32
    are Falcon's: both halves of a head turn by the same angles.
    """
    num_rows, num_heads, size = query.shape
    width = z.shape[1] - num_heads * size
    _turn_and_store[(num_rows, 1 + triton.cdiv(width, ACTIVATIONS_A_PROGRAM))](
        y,
        cos,
        sin,
        positions,
        write_at,
        memory,
        query,
        z,
        num_heads,
        width,
        y.stride(0),
        z.stride(0),
        HALF=size // 2,
        HEADS=triton.next_power_of_2(num_heads + 1),
        ACTIVATIONS=ACTIVATIONS_A_PROGRAM,
        num_warps=4,
    )


@triton.jit
def _turn_and_store(
    y,
    cos,
    sin,
    positions,
    write_at,
    memory,
    query,
    z,
    num_heads,
    width,
    y_stride,
    z_stride,
    HALF: tl.constexpr,
    HEADS: tl.constexpr,
    ACTIVATIONS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    part = tl.program_id(1)
    size = 2 * HALF
    source = y + row * y_stride
    if part == 0:
        heads = tl.arange(0, HEADS)  # the query heads, and behind them the key
        half = tl.arange(0, HALF)
        position = tl.load(positions + row)
        place = tl.load(write_at + row).to(tl.int64)
        cosine = tl.load(cos + position * size + half)[None, :]
        sine = tl.load(sin + position * size + half)[None, :]
        at = source + heads[:, None] * size + half[None, :]
        is_there = (heads <= num_heads)[:, None]
        first = tl.load(at, mask=is_there, other=0.0).to(tl.float32)
        second = tl.load(at + HALF, mask=is_there, other=0.0).to(tl.float32)
        turned_first = (first * cosine - second * sine).to(query.dtype.element_ty)
        turned_second = (second * cosine + first * sine).to(query.dtype.element_ty)
        query_at = query + (row * num_heads + heads[:, None]) * size + half[None, :]
        is_query = (heads < num_heads)[:, None]
        tl.store(query_at, turned_first, mask=is_query)
        tl.store(query_at + HALF, turned_second, mask=is_query)
        key_at = memory + place * (2 * size) + half[None, :] + 0 * heads[:, None]
        is_key = (heads == num_heads)[:, None]
        tl.store(key_at, turned_first, mask=is_key)
        tl.store(key_at + HALF, turned_second, mask=is_key)
        dims = tl.arange(0, 2 * HALF)
        value = tl.load(source + (num_heads + 1) * size + dims)
        tl.store(memory + place * (2 * size) + size + dims, value)
    else:
        columns = (part - 1) * ACTIVATIONS + tl.arange(0, ACTIVATIONS)
        is_up = columns < width
        up = tl.load(source + (num_heads + 2) * size + columns, mask=is_up, other=0.0).to(tl.float32)
        active = 0.5 * up * (1.0 + tl.erf(up * 0.7071067811865476))
        tl.store(z + row * z_stride + num_heads * size + columns, active.to(z.dtype.element_ty), mask=is_up)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float, out: Tensor) -> None:
    """Write the layer norm of x (R, E) into out (R, E)."""
    num_rows, size = x.shape
    _layer_norm[(num_rows,)](x, weight, bias, out, size, eps, SIZE=triton.next_power_of_2(size), num_warps=8)


@triton.jit
def _layer_norm(x, weight, bias, out, size, eps, SIZE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, SIZE)
    is_there = columns < size
    values = tl.load(x + row * size + columns, mask=is_there, other=0.0).to(tl.float32)
    mean = tl.sum(values, 0) / size
    centred = tl.where(is_there, values - mean, 0.0)
    inverse = tl.rsqrt(tl.sum(centred * centred, 0) / size + eps)
    scale = tl.load(weight + columns, mask=is_there, other=0.0).to(tl.float32)
    shift = tl.load(bias + columns, mask=is_there, other=0.0).to(tl.float32)
    normed = centred * inverse * scale + shift
    tl.store(out + row * size + columns, normed.to(out.dtype.element_ty), mask=is_there)
