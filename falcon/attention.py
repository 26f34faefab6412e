"""Causal attention over packed documents, in which no document sees another.

On a GPU one fused kernel takes the documents' bounds (`torch.nn.attention.varlen`); elsewhere each document becomes a
row of its own. Falcon has many query heads and one key/value head: the kernel reads that one head, nothing is copied.
Shapes: T tokens, N documents, L tokens of the longest, H query heads, D head size.
"""

import inspect
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_FUSED_DTYPES = (torch.bfloat16, torch.float16)


def packed_attention(query: Tensor, key: Tensor, value: Tensor, cu_lengths: Tensor, max_length: int) -> Tensor:
    """Return (T, H, D): each token's attention over its own document up to itself.

    `query` is (T, H, D), `key` and `value` (T, 1, D), `cu_lengths` (N + 1,) int32 the documents' bounds; none is longer
    than `max_length`.
    """
    if query.is_cuda and query.dtype in _FUSED_DTYPES:
        return _fused(query, key, value, cu_lengths, max_length)
    return _by_rows(query, key, value, cu_lengths, max_length)


def _fused(query: Tensor, key: Tensor, value: Tensor, cu_lengths: Tensor, max_length: int) -> Tensor:
    bounds, longest = (cu_lengths, cu_lengths), (max_length, max_length)
    return _grouped_kernel()(query, key, value, *bounds, *longest, window_size=(-1, 0))


@cache
def _grouped_kernel() -> Callable[..., Tensor]:
    """Return `varlen_attn`, told that key and value have fewer heads; torch 2.11 takes that without a word."""
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - wanted on a GPU only

    takes_word = "enable_gqa" in inspect.signature(varlen_attn).parameters
    kernel: Callable[..., Any] = partial(varlen_attn, enable_gqa=True) if takes_word else varlen_attn
    return kernel


def _by_rows(query: Tensor, key: Tensor, value: Tensor, cu_lengths: Tensor, max_length: int) -> Tensor:
    """Attend in rows padded on the right, where a causal mask alone keeps padding out of sight."""
    lengths = cu_lengths.diff().long()
    num_documents, num_heads = len(lengths), query.shape[1]
    rows = torch.repeat_interleave(torch.arange(num_documents, device=query.device), lengths)
    columns = torch.arange(len(query), device=query.device) - cu_lengths[:-1].long()[rows]

    def in_rows(heads: Tensor) -> Tensor:
        padded = heads.new_zeros(num_documents, max_length, heads.shape[1], heads.shape[2])
        padded = padded.index_put((rows, columns), heads)  # (N, L, H or 1, D)
        return padded.transpose(1, 2).expand(-1, num_heads, -1, -1)

    attended = F.scaled_dot_product_attention(in_rows(query), in_rows(key), in_rows(value), is_causal=True)
    return attended.transpose(1, 2)[rows, columns]  # from (N, H, L, D)
