"""The best next tokens of each row: log-softmax and top-M over the vocabulary in two passes.

The vocabulary is cut into chunks; each gives its sum of exponentials and its M best, and a second pass puts the chunks
of a row together. Equal scores go to the lower token, as in `torch.topk` on a CPU.

Shapes: R rows, V vocabulary, C chunks, M tokens of a shortlist.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

CHUNK = 2048
LEAST = -3.0e38  # of finite scores


def best_tokens(logits: Tensor, num: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return log-probabilities (R, num) float32, token ids (R, num) int64 and whether each row is finite (R,) bool.

    `logits` is (R, V); where they hold NaN or plus infinity the row is not finite and its shortlist means nothing,
    but names tokens of the vocabulary. No token comes twice, not even where all but a few are minus infinity. `num` is
    at most V.
    """
    num_rows, vocabulary = logits.shape
    chunks, size = triton.cdiv(vocabulary, CHUNK), triton.next_power_of_2(num)
    device = logits.device
    sums = torch.empty(2, num_rows, chunks, dtype=torch.float32, device=device)
    values = torch.empty(num_rows, chunks, size, dtype=torch.float32, device=device)
    tokens = torch.empty(num_rows, chunks, size, dtype=torch.int32, device=device)
    _best_of_chunks[(num_rows, chunks)](
        logits,
        sums,
        values,
        tokens,
        vocabulary,
        logits.stride(0),
        num_rows * chunks,
        LEAST=LEAST,
        NUM=num,
        SIZE=size,
        CHUNK=CHUNK,
    )
    log_probs = torch.empty(num_rows, num, dtype=torch.float32, device=device)
    token_ids = torch.empty(num_rows, num, dtype=torch.int64, device=device)
    is_finite = torch.empty(num_rows, dtype=torch.bool, device=device)
    _best_of_rows[(num_rows,)](
        *(sums, values, tokens, log_probs, token_ids, is_finite),
        *(chunks, num_rows * chunks),
        LEAST=LEAST,
        NUM=num,
        SIZE=size,
        CHUNKS=triton.next_power_of_2(chunks),
    )
    return log_probs, token_ids, is_finite


@triton.jit
def _best_of_chunks(
    logits,
    sums,
    values,
    tokens,
    vocabulary,
    stride,
    sums_stride,
    LEAST: tl.constexpr,
    NUM: tl.constexpr,
    SIZE: tl.constexpr,
    CHUNK: tl.constexpr,
):
    row, chunk = tl.program_id(0).to(tl.int64), tl.program_id(1)
    place = row * tl.num_programs(1) + chunk
    columns = tl.arange(0, CHUNK)
    ids = chunk * CHUNK + columns
    is_token = ids < vocabulary
    scores = tl.load(logits + row * stride + ids, mask=is_token, other=float("-inf")).to(tl.float32)
    highest = tl.max(scores, 0)
    tl.store(sums + place, highest)
    shift = tl.where(highest > float("-inf"), highest, 0.0)  # in a chunk without any score
    tl.store(sums + sums_stride + place, tl.sum(tl.exp(scores - shift), 0))
    # What is taken becomes minus infinity, so impossible tokens, and NaN which equals nothing, stand just above it.
    scores = tl.where(is_token, tl.where(scores > LEAST, scores, LEAST), float("-inf"))
    slots = tl.arange(0, SIZE)
    best = tl.full((SIZE,), float("-inf"), tl.float32)
    best_ids = tl.zeros((SIZE,), tl.int32)
    for number in range(NUM):
        value = tl.max(scores, 0)
        at = tl.min(tl.where(scores == value, columns, CHUNK), 0)
        best = tl.where(slots == number, value, best)
        best_ids = tl.where(slots == number, chunk * CHUNK + at, best_ids)
        scores = tl.where(columns == at, float("-inf"), scores)
    tl.store(values + place * SIZE + slots, best)
    tl.store(tokens + place * SIZE + slots, best_ids)


@triton.jit
def _best_of_rows(
    sums,
    values,
    tokens,
    log_probs,
    token_ids,
    is_finite,
    chunks,
    sums_stride,
    LEAST: tl.constexpr,
    NUM: tl.constexpr,
    SIZE: tl.constexpr,
    CHUNKS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    chunk = tl.arange(0, CHUNKS)
    is_there = chunk < chunks
    maxima = tl.load(sums + row * chunks + chunk, mask=is_there, other=float("-inf"))
    parts = tl.load(sums + sums_stride + row * chunks + chunk, mask=is_there, other=0.0)
    highest = tl.max(maxima, 0)
    normaliser = highest + tl.log(tl.sum(tl.where(is_there, parts * tl.exp(maxima - highest), 0.0), 0))
    tl.store(is_finite + row, tl.abs(normaliser) < float("inf"))
    # Chunks follow one another by token, and within one by rank, so the lowest place among equals is the lowest token.
    places = tl.arange(0, CHUNKS * SIZE)
    is_one = places < chunks * SIZE
    scores = tl.load(values + row * chunks * SIZE + places, mask=is_one, other=float("-inf"))
    ids = tl.load(tokens + row * chunks * SIZE + places, mask=is_one, other=0)
    for number in range(NUM):
        value = tl.max(scores, 0)
        at = tl.min(tl.where(scores == value, places, CHUNKS * SIZE), 0)
        is_chosen = places == at
        tl.store(log_probs + row * NUM + number, tl.where(value > LEAST, value - normaliser, float("-inf")))
        tl.store(token_ids + row * NUM + number, tl.sum(tl.where(is_chosen, ids, 0), 0).to(tl.int64))
        scores = tl.where(is_chosen, float("-inf"), scores)
