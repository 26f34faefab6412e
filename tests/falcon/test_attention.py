"""Attention over packed documents equals attention over each document alone."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from falcon.attention import packed_attention

LENGTHS = (5, 1, 7)


def heads(count: int, seed: int) -> Tensor:
    return torch.randn(sum(LENGTHS), count, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def alone(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return one document's causal attention, written out: every head reads the one key/value head."""
    scores = torch.einsum("thd,sd->hts", query, key[:, 0]) / query.shape[-1] ** 0.5
    is_future = torch.ones(len(query), len(query), dtype=torch.bool).triu(1)
    weights = scores.masked_fill(is_future, float("-inf")).softmax(-1)
    return torch.einsum("hts,sd->thd", weights, value[:, 0])


@pytest.mark.parametrize("max_length", [7, 12])
def test_each_document_is_attended_as_if_it_were_alone(max_length: int) -> None:
    query, key, value = heads(3, 1), heads(1, 2), heads(1, 3)
    bounds = torch.tensor([0, *LENGTHS]).cumsum(0)
    together = packed_attention(query, key, value, bounds.int(), max_length)
    apart = [alone(*(part[start:end] for part in (query, key, value))) for start, end in pairwise(bounds.tolist())]
    torch.testing.assert_close(together, torch.cat(apart))


def test_gradients_reach_query_key_and_value_of_the_own_document_only() -> None:
    leaves = [heads(count, seed).requires_grad_() for count, seed in ((3, 1), (1, 2), (1, 3))]
    bounds = torch.tensor([0, *LENGTHS]).cumsum(0).int()
    packed_attention(*leaves, bounds, 7)[:5].square().sum().backward()
    for leaf in leaves:
        moved = leaf.grad.flatten(1).abs().sum(1) > 0
        assert not moved[5:].any()
        assert moved[1:5].all()
