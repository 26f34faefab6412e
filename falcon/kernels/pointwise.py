"""What happens between a layer's two products, apart from attention: one pass over the first product's result.

Shapes: R rows, H query heads, D head size, E = H·D hidden size, F width of the MLP, P places in token memory.
"""

import triton
import triton.language as tl
from torch import Tensor

MANY_ROWS = 128
FEW, MANY = (512, 4), (1024, 2)  # activations and warps of a program, measured on an H100


def store_and_activate(
    y: Tensor,
    cos: Tensor,
    sin: Tensor,
    positions: Tensor,
    write_at: Tensor,
    memory: Tensor,
    z: Tensor,
    *,
    hidden_size: int,
) -> None:
    """Store keys and values, and take the activation.

    Of y (R, E + 2D + F) the key, turned by its position, and the value go to `memory` (P, 2D) at place write_at[r], and
    gelu(up) to the last F columns of z (R, E + F). `cos` and `sin` (L, D) float32 are Falcon's: both halves of a head
    turn by the same angles.
    """
    width = z.shape[1] - hidden_size
    activations, warps = MANY if len(y) >= MANY_ROWS else FEW
    _store_and_activate[(len(y), triton.cdiv(width, activations))](
        *(y, cos, sin, positions, write_at, memory, z),
        *(hidden_size, width, y.stride(0), z.stride(0)),
        HALF=memory.shape[1] // 4,
        ACTIVATIONS=activations,
        num_warps=warps,
    )


@triton.jit
def _store_and_activate(
    y,
    cos,
    sin,
    positions,
    write_at,
    memory,
    z,
    hidden_size,
    width,
    y_stride,
    z_stride,
    HALF: tl.constexpr,
    ACTIVATIONS: tl.constexpr,
):
    SIZE: tl.constexpr = 2 * HALF
    row = tl.program_id(0).to(tl.int64)
    source = y + row * y_stride + hidden_size
    if tl.program_id(1) == 0:
        half, dims = tl.arange(0, HALF), tl.arange(0, SIZE)
        position = tl.load(positions + row)
        place = memory + tl.load(write_at + row).to(tl.int64) * (2 * SIZE)
        cosine, sine = tl.load(cos + position * SIZE + half), tl.load(sin + position * SIZE + half)
        first, second = tl.load(source + half).to(tl.float32), tl.load(source + HALF + half).to(tl.float32)
        tl.store(place + half, (first * cosine - second * sine).to(memory.dtype.element_ty))
        tl.store(place + HALF + half, (second * cosine + first * sine).to(memory.dtype.element_ty))
        tl.store(place + SIZE + dims, tl.load(source + SIZE + dims))
    columns = tl.program_id(1) * ACTIVATIONS + tl.arange(0, ACTIVATIONS)
    is_up = columns < width
    up = tl.load(source + 2 * SIZE + columns, mask=is_up, other=0.0).to(tl.float32)
    active = 0.5 * up * (1.0 + tl.erf(up * 0.7071067811865476))
    tl.store(z + row * z_stride + hidden_size + columns, active.to(z.dtype.element_ty), mask=is_up)


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
