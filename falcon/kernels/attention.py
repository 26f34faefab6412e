"""Attention of rows to their texts in token memory, all query heads folded into one tile.

Falcon has one key and value for all of its query heads, so a row's heads are simply queries of the same text, and the
text is read once for a block of them. Queries are turned by their position on the way in. A text is a list of places,
which need not lie side by side. Softmax runs online in float32 (Milakov & Gimelshein 2018, arXiv 1805.02867).

Shapes: R rows, H query heads, D head size, P places, L longest text.
"""

import triton
import triton.language as tl
from torch import Tensor

LOG2_E = 1.4426950408889634
MANY_ROWS = 128  # from here on rows alone keep every multiprocessor busy
FEW_HEADS, MANY_HEADS, TOKENS = 16, 64, 64  # measured on an H100


def attend_rows(
    y: Tensor,
    cos: Tensor,
    sin: Tensor,
    memory: Tensor,
    places: Tensor,
    positions: Tensor,
    out: Tensor,
    *,
    num_heads: int,
) -> None:
    """Write attention of the query heads that begin y (R, ·) into the first H·D columns of out (R, ·).

    `memory` (P, 2D) holds turned keys, and values; row r sees places[r, : positions[r] + 1] of places (R, L) int32. Its
    queries are turned by `cos` and `sin` (L, D) float32.
    """
    num_rows, size = len(y), memory.shape[1] // 2
    is_many = num_rows >= MANY_ROWS
    heads_a_block = min(MANY_HEADS if is_many else FEW_HEADS, triton.next_power_of_2(num_heads))
    _attend[(num_rows, triton.cdiv(num_heads, heads_a_block))](
        *(y, cos, sin, memory, places, positions, out),
        *(num_heads, y.stride(0), places.stride(0), out.stride(0)),
        LOG2_E / size**0.5,
        HALF=size // 2,
        HEADS=max(16, heads_a_block),
        TOKENS=TOKENS,
        num_warps=4,
        num_stages=2,
    )


@triton.jit
def _attend(
    y,
    cos,
    sin,
    memory,
    places,
    positions,
    out,
    num_heads,
    y_stride,
    places_stride,
    out_stride,
    scale,
    HALF: tl.constexpr,
    HEADS: tl.constexpr,
    TOKENS: tl.constexpr,
):
    SIZE: tl.constexpr = 2 * HALF
    row = tl.program_id(0).to(tl.int64)
    heads = tl.program_id(1) * HEADS + tl.arange(0, HEADS)
    half, dims = tl.arange(0, HALF), tl.arange(0, SIZE)
    is_head = (heads < num_heads)[:, None]
    position = tl.load(positions + row)
    cosine = tl.load(cos + position * SIZE + half)[None, :]
    sine = tl.load(sin + position * SIZE + half)[None, :]
    at = y + row * y_stride + heads[:, None] * SIZE + half[None, :]
    first = tl.load(at, mask=is_head, other=0.0).to(tl.float32)
    second = tl.load(at + HALF, mask=is_head, other=0.0).to(tl.float32)
    query_first = (first * cosine - second * sine).to(y.dtype.element_ty)
    query_second = (second * cosine + first * sine).to(y.dtype.element_ty)
    length = position + 1
    highest = tl.full((HEADS,), float("-inf"), tl.float32)
    total = tl.zeros((HEADS,), tl.float32)
    attended = tl.zeros((HEADS, SIZE), tl.float32)
    for start in range(0, length, TOKENS):
        tokens = start + tl.arange(0, TOKENS)
        is_seen = tokens < length
        place = tl.load(places + row * places_stride + tokens, mask=is_seen, other=0).to(tl.int64)
        key_at = memory + place[None, :] * (2 * SIZE) + half[:, None]
        scores = tl.dot(query_first, tl.load(key_at, mask=is_seen[None, :], other=0.0))
        scores = tl.dot(query_second, tl.load(key_at + HALF, mask=is_seen[None, :], other=0.0), scores)
        scores = tl.where(is_seen[None, :], scores * scale, float("-inf"))
        new_highest = tl.maximum(highest, tl.max(scores, 1))
        weights = tl.exp2(scores - new_highest[:, None])
        shrink = tl.exp2(highest - new_highest)
        values = tl.load(memory + place[:, None] * (2 * SIZE) + SIZE + dims[None, :], mask=is_seen[:, None], other=0.0)
        attended = attended * shrink[:, None] + tl.dot(weights.to(values.dtype), values)
        total = total * shrink + tl.sum(weights, 1)
        highest = new_highest
    target = out + row * out_stride + heads[:, None] * SIZE + dims[None, :]
    tl.store(target, (attended / total[:, None]).to(out.dtype.element_ty), mask=is_head)
