"""Two matrices a layer instead of four, without holding anything twice or breaking transformers' modules."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from core.errors import ModelError
from falcon.joined_weights import join_weights, why_not_joinable
from tests.falcon.engine_world import own_logits
from tests.falcon.tiny_falcon import tiny_falcon

TEXT = [3, 4, 5, 6]


def linears(block: Any) -> list[nn.Linear]:
    attention, mlp = block.self_attention, block.mlp
    return [attention.query_key_value, mlp.dense_h_to_4h, attention.dense, mlp.dense_4h_to_h]


def test_transformers_modules_become_views_and_compute_the_same() -> None:
    model = tiny_falcon().eval()
    before = own_logits(model, TEXT)
    weights = join_weights(model, 16)
    assert len(weights.layers) == 2
    for layer, block in zip(weights.layers, model.transformer.h, strict=True):
        qkv, up, dense, down = linears(block)
        for joined, parts in ((layer.into, (qkv, up)), (layer.out_of, (dense, down))):
            assert all(part.weight.untyped_storage().data_ptr() == joined.data_ptr() for part in parts)
        assert torch.equal(layer.into, torch.cat([qkv.weight, up.weight], 0))
        assert torch.equal(layer.out_of, torch.cat([dense.weight, down.weight], 1))
    assert weights.embedding.data_ptr() == model.get_input_embeddings().weight.data_ptr()
    torch.testing.assert_close(own_logits(model, TEXT), before)


def test_change_of_joined_weights_reaches_transformers_and_back() -> None:
    model = tiny_falcon().eval()
    weights = join_weights(model, 16)
    before = own_logits(model, TEXT)
    weights.layers[0].into.mul_(2)
    assert not torch.allclose(own_logits(model, TEXT), before)
    with torch.no_grad():
        linears(model.transformer.h[0])[0].weight.div_(2)
        linears(model.transformer.h[0])[1].weight.div_(2)
    torch.testing.assert_close(own_logits(model, TEXT), before)


def test_sizes_are_those_of_the_model() -> None:
    model = tiny_falcon(hidden_size=64, num_attention_heads=4).to(torch.bfloat16)
    weights = join_weights(model, 21)
    assert (weights.hidden_size, weights.num_heads, weights.head_size) == (64, 4, 16)
    assert weights.max_positions == 21
    assert weights.dtype == torch.bfloat16
    assert weights.device.type == "cpu"
    assert weights.cos.dtype == torch.float32
    assert weights.cos.shape == weights.sin.shape == (21, 16)
    assert [tuple(layer.into.shape) for layer in weights.layers] == [(64 + 2 * 16 + 256, 64)] * 2
    assert [tuple(layer.out_of.shape) for layer in weights.layers] == [(64, 64 + 256)] * 2


def untie(model: Any) -> None:
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())


def configure(**changes: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for name, value in changes.items():
            setattr(model.config, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (configure(multi_query=False), "multi_query is False"),
        (configure(parallel_attn=False), "parallel_attn is False"),
        (configure(bias=True), "bias is True"),
        (configure(alibi=True), "alibi is True"),
        (configure(activation="relu"), "activation is relu"),
        (configure(new_decoder_architecture=True), "new_decoder_architecture is True"),
        (configure(rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0}), "rope_type is dynamic"),
        (untie, "output embedding is not tied"),
    ],
)
def test_model_of_another_shape_is_refused_with_its_reason(change: Callable[[Any], None], reason: str) -> None:
    model = tiny_falcon()
    assert why_not_joinable(model) is None
    change(model)
    assert reason in str(why_not_joinable(model))
    before = [linear.weight for block in model.transformer.h for linear in linears(block)]
    with pytest.raises(ModelError) as caught:
        join_weights(model, 16)
    assert reason in str(caught.value)
    assert str(caught.value).endswith("set ENGINE=transformers.")
    after = [linear.weight for block in model.transformer.h for linear in linears(block)]
    assert all(one is other for one, other in zip(after, before, strict=True))


def test_model_of_another_family_is_refused() -> None:
    config = LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    assert why_not_joinable(LlamaForCausalLM(config)) == "it is a llama model"
