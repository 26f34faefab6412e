"""Rows of one token each compute what transformers' forward pass computes for whole texts."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from falcon import row_operations
from falcon.joined_weights import join_weights
from falcon.resident_adapters import ResidentAdapters
from falcon.row_model import RowModel, Rows
from falcon.row_operations import TorchOperations, can_pack
from falcon.serving import operations_for
from falcon.token_memory import TokenMemory
from tests.falcon.engine_world import LAST_TOKEN, falcon_that_ends, make_row_model, own_logits, read_texts
from tests.falcon.tiny_falcon import CPU, tiny_falcon

texts = st.lists(st.lists(st.integers(0, LAST_TOKEN), min_size=1, max_size=8), min_size=1, max_size=4)
TEXTS = [[3, 4, 5, 6, 7], [2], [8, 9, 2]]


def as_rows(model: RowModel, tokens: list[int], positions: list[int], places: list[list[int]]) -> Rows:
    """Return rows that lie at the last of their `places`, what they may not see behind it."""
    longest = model.memory.shape.max_tokens
    return Rows(
        tokens=torch.tensor(tokens),
        positions=torch.tensor(positions),
        write_at=torch.tensor([row[position] for row, position in zip(places, positions, strict=True)]),
        places=torch.tensor([row + [0] * (longest - len(row)) for row in places], dtype=torch.int32),
        longest=longest,
    )


@torch.inference_mode()
def logits(model: RowModel, rows: Rows) -> Tensor:
    return model.logits(model.hidden(rows))


@given(texts)
@settings(max_examples=40, deadline=None)
def test_whole_texts_read_in_one_pass_get_transformers_logits(given_texts: list[list[int]]) -> None:
    falcon = falcon_that_ends(0.5)
    found = read_texts(make_row_model(falcon, num_homes=4), given_texts)
    assert len(found) == len(given_texts)
    for text, mine in zip(given_texts, found, strict=True):
        torch.testing.assert_close(mine, own_logits(falcon, text), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_any_number_of_heads_is_computed(num_heads: int) -> None:
    falcon = tiny_falcon(num_attention_heads=num_heads).double().eval()
    for text, mine in zip(TEXTS, read_texts(make_row_model(falcon), TEXTS), strict=True):
        torch.testing.assert_close(mine, own_logits(falcon, text), rtol=1e-9, atol=1e-9)


def test_text_read_token_by_token_equals_the_text_read_at_once() -> None:
    model = make_row_model(falcon_that_ends(0.5))
    text = [3, 4, 5, 6, 7]
    [at_once] = read_texts(model, [text])
    places = list(range(20, 20 + len(text)))
    single = [
        logits(model, as_rows(model, [token], [position], [places[: position + 1]]))[0]
        for position, token in enumerate(text)
    ]
    torch.testing.assert_close(torch.stack(single), at_once, rtol=1e-9, atol=1e-9)


def test_places_of_a_text_may_lie_anywhere_and_be_shared() -> None:
    """Two beams share a beginning in scattered places and go on differently."""
    falcon = falcon_that_ends(0.5)
    model = make_row_model(falcon)
    beginning = [17, 3, 29]
    logits(model, as_rows(model, [5, 6, 7], [0, 1, 2], [beginning] * 3))
    both = logits(model, as_rows(model, [8, 9], [3, 3], [[*beginning, 2], [*beginning, 41]]))
    for mine, last in zip(both, (8, 9), strict=True):
        torch.testing.assert_close(mine, own_logits(falcon, [5, 6, 7, last])[-1], rtol=1e-9, atol=1e-9)


def test_order_of_rows_does_not_matter() -> None:
    model = make_row_model(falcon_that_ends(0.5))
    text, places = [3, 4, 5, 6], [11, 12, 13, 14]
    straight = logits(model, as_rows(model, text, [0, 1, 2, 3], [places] * 4))
    order = [2, 0, 3, 1]
    mixed = logits(model, as_rows(model, [text[number] for number in order], order, [places] * 4))
    torch.testing.assert_close(mixed, straight[order], rtol=1e-9, atol=1e-9)


def test_only_the_places_of_rows_are_written() -> None:
    model = make_row_model(falcon_that_ends(0.5))
    logits(model, as_rows(model, [5, 6], [0, 1], [[7, 20]] * 2))
    assert len(model.memory.layers) == 2
    for layer in model.memory.layers:
        assert set(layer.any(1).nonzero().flatten().tolist()) == {7, 20}


# ---- matrices laid out for this processor


def packed_model(falcon: Any) -> RowModel:
    """Return the model with the arithmetic that serving picks here: packed matrices, or plain ones without oneDNN."""
    plain = make_row_model(falcon)
    weights = join_weights(falcon, plain.memory.shape.max_tokens)
    memory = TokenMemory(plain.memory.shape, weights.dtype, CPU)
    return RowModel(weights, memory, operations_for(weights), ResidentAdapters(weights, num_slots=1, max_rank=8))


def test_packed_matrices_compute_the_same() -> None:
    falcon = tiny_falcon().eval()
    for text, mine in zip(TEXTS, read_texts(packed_model(falcon), TEXTS), strict=True):
        torch.testing.assert_close(mine, own_logits(falcon, text), rtol=1e-4, atol=1e-4)


def test_packed_matrices_follow_a_change_of_the_weights_once_they_are_told() -> None:
    falcon = tiny_falcon().eval()
    model = packed_model(falcon)
    before = read_texts(model, TEXTS)
    for layer in model.weights.layers:
        layer.into.mul_(1.5)
    model._operations.weights_changed()
    for text, mine in zip(TEXTS, read_texts(model, TEXTS), strict=True):
        torch.testing.assert_close(mine, own_logits(falcon, text), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(read_texts(model, TEXTS)[0], before[0])


def test_packed_matrices_serve_a_merged_adapter(tmp_path: Any) -> None:
    from tests.falcon.test_adapters import write_adapter  # noqa: PLC0415 - peft takes seconds to import

    model = packed_model(tiny_falcon().eval())
    model.adapters.load("style", write_adapter(tmp_path / "style"))
    before = read_texts(model, TEXTS)
    beside = read_texts(model, TEXTS, slots=[0] * len(TEXTS))
    model.merge_adapter("style")
    torch.testing.assert_close(read_texts(model, TEXTS), beside, rtol=1e-3, atol=1e-3)
    model.restore_weights()
    torch.testing.assert_close(read_texts(model, TEXTS), before, rtol=0, atol=0)


def test_weights_that_oned_nn_does_not_take_are_not_packed() -> None:
    assert not can_pack(join_weights(tiny_falcon().double(), 8))


def test_torch_without_packed_products_serves_with_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> Any:
        raise AttributeError("no such operation")

    monkeypatch.setattr(row_operations, "_pack", missing)
    assert type(operations_for(join_weights(tiny_falcon(), 8))) is TorchOperations
