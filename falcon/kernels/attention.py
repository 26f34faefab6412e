"""Attention of rows to their texts in token memory, all query heads folded into one tile.

Falcon has one key and value for all of its query heads, so a row's heads are simply queries of the same text, and the
text is read once for a block of them. A text is a list of places, which need not lie side by side. Softmax runs online
in float32 (Milakov & Gimelshein 2018, arXiv 1805.02867).

Shapes: R rows, H query heads, D head size, P places, L longest text.
"""

import triton
import triton.language as tl
from torch import Tensor

LOG2_E = 1.4426950408889634
MANY_ROWS = 128  # from here on rows alone keep every multiprocessor busy


def attend_rows(query: Tensor, memory: Tensor, places: Tensor, positions: Tensor, out: Tensor) -> None:
    """Write attention of query (R, H, D) into the first H·D columns of out (R, ·).

    `memory` (P, 2D) holds keys and values; row r sees places[r, : positions[r] + 1] of places (R, L) int32.
    """
    num_rows, num_heads, size = query.shape
    heads_a_block = 16 if num_rows < MANY_ROWS else min(128, triton.next_power_of_2(num_heads))
    _attend[(num_rows, triton.cdiv(num_heads, heads_a_block))](
        query,
        memory,
        places,
        positions,
        out,
        num_heads,
        places.stride(0),
        out.stride(0),
        LOG2_E / size**0.5,
        SIZE=size,
        HEADS=heads_a_block,
        TOKENS=32,
        num_warps=4,
        num_stages=2,
    )


@triton.jit
def _attend(
    query,
    memory,
    places,
    positions,
    out,
    num_heads,
    places_stride,
    out_stride,
    scale,
    SIZE: tl.constexpr,
    HEADS: tl.constexpr,
    TOKENS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    heads = tl.program_id(1) * HEADS + tl.arange(0, HEADS)
    dims = tl.arange(0, SIZE)
    is_head = (heads < num_heads)[:, None]
    q = tl.load(query + (row * num_heads + heads[:, None]) * SIZE + dims[None, :], mask=is_head, other=0.0)
    length = tl.load(positions + row) + 1
    highest = tl.full((HEADS,), float("-inf"), tl.float32)
    total = tl.zeros((HEADS,), tl.float32)
    attended = tl.zeros((HEADS, SIZE), tl.float32)
    for start in range(0, length, TOKENS):
        tokens = start + tl.arange(0, TOKENS)
        is_seen = tokens < length
        place = tl.load(places + row * places_stride + tokens, mask=is_seen, other=0).to(tl.int64)
        keys = tl.load(memory + place[None, :] * (2 * SIZE) + dims[:, None], mask=is_seen[None, :], other=0.0)
        scores = tl.where(is_seen[None, :], tl.dot(q, keys) * scale, float("-inf"))
        new_highest = tl.maximum(highest, tl.max(scores, 1))
        weights = tl.exp2(scores - new_highest[:, None])
        shrink = tl.exp2(highest - new_highest)
        values = tl.load(memory + place[:, None] * (2 * SIZE) + SIZE + dims[None, :], mask=is_seen[:, None], other=0.0)
        attended = attended * shrink[:, None] + tl.dot(weights.to(values.dtype), values)
        total = total * shrink + tl.sum(weights, 1)
        highest = new_highest
    target = out + row * out_stride + heads[:, None] * SIZE + dims[None, :]
    tl.store(target, (attended / total[:, None]).to(out.dtype.element_ty), mask=is_head)
