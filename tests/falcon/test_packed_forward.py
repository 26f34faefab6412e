"""The packed forward pass computes what transformers and peft compute, and no document sees another."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig

from core.errors import ModelError
from falcon.packed_forward import packed_hidden_states
from falcon.pointwise import EAGER, compiled
from tests.falcon.packed_models import (
    ALL_PROJECTIONS,
    DOCUMENTS,
    adapted_falcon,
    gradients,
    packed,
    packed_nats,
    transformers_nats,
)
from tests.falcon.tiny_falcon import tiny_falcon

FIRST, SECOND = DOCUMENTS[0], DOCUMENTS[2]


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], *, rtol: float = 1e-4) -> None:
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        size = float(gradient.abs().max())
        assert size > 0, name
        torch.testing.assert_close(ours[name], gradient, rtol=rtol, atol=1e-6 * size, msg=name)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_single_document_gets_transformers_own_hidden_states(document: list[int]) -> None:
    model = tiny_falcon(num_attention_heads=4).eval()
    with torch.no_grad():
        theirs = model.transformer(input_ids=torch.tensor([document])).last_hidden_state[0]
        ours = packed_hidden_states(model, packed([document]))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("is_checkpointed", [False, True])
@pytest.mark.parametrize("target_modules", [ALL_PROJECTIONS, ("query_key_value",), ("dense", "dense_4h_to_h")])
def test_packed_loss_and_gradients_equal_those_of_documents_one_by_one(
    target_modules: Sequence[str], is_checkpointed: bool
) -> None:
    model = adapted_falcon(target_modules=target_modules)
    theirs, ours = (
        transformers_nats(model, DOCUMENTS),
        packed_nats(model, packed(DOCUMENTS), is_checkpointed=is_checkpointed),
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-5)
    assert_same(gradients(model, ours), gradients(model, theirs))


def test_every_projection_of_every_layer_gets_gradients_for_both_matrices() -> None:
    model = adapted_falcon()
    found = gradients(model, packed_nats(model, packed(DOCUMENTS)))
    assert len(found) == 2 * len(ALL_PROJECTIONS) * model.config.num_hidden_layers
    assert all(float(gradient.abs().max()) > 0 for gradient in found.values())


@pytest.mark.parametrize("place", [0, 3, len(FIRST) - 1])
def test_changing_the_first_document_does_not_move_the_second(place: int) -> None:
    """transformers' own forward leaks here, because Falcon does not hand its positions to the mask."""
    model = adapted_falcon().eval()
    changed = [*FIRST[:place], 12, *FIRST[place + 1 :]]
    with torch.no_grad():
        before = packed_hidden_states(model, packed([FIRST, SECOND]))
        after = packed_hidden_states(model, packed([changed, SECOND]))
    assert torch.equal(before[len(FIRST) :], after[len(FIRST) :])
    assert not torch.equal(before[place : len(FIRST)], after[place : len(FIRST)])


def test_later_tokens_do_not_move_earlier_ones() -> None:
    model = adapted_falcon().eval()
    with torch.no_grad():
        before, after = (packed_hidden_states(model, packed([[*FIRST, last]])) for last in (5, 12))
    assert torch.equal(before[:-1], after[:-1])


def test_adapter_that_is_switched_off_is_left_out() -> None:
    model = adapted_falcon()
    with torch.no_grad():
        base = packed_hidden_states(tiny_falcon(num_attention_heads=4), packed(DOCUMENTS))
        adapted = packed_hidden_states(model, packed(DOCUMENTS))
        with model.disable_adapter():
            off = packed_hidden_states(model, packed(DOCUMENTS))
    assert torch.equal(off, base)
    assert not torch.allclose(adapted, base, atol=1e-2)


def test_merged_adapter_computes_what_the_unmerged_one_does() -> None:
    model = adapted_falcon().eval()
    with torch.no_grad():
        apart = packed_hidden_states(model, packed(DOCUMENTS))
        model.merge_adapter()
        inside = packed_hidden_states(model, packed(DOCUMENTS))
        model.unmerge_adapter()
        alone = packed_hidden_states(model.merge_and_unload(), packed(DOCUMENTS))
    for merged in (inside, alone):
        torch.testing.assert_close(merged, apart, rtol=1e-4, atol=1e-4)


def test_dropout_is_on_in_training_only_and_follows_the_seed() -> None:
    model, batch = adapted_falcon(lora_dropout=0.5), packed(DOCUMENTS)

    def run(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        with torch.no_grad():
            return packed_hidden_states(model, batch)

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
    model.eval()
    assert torch.equal(run(1), run(2))


@pytest.mark.parametrize("is_checkpointed", [False, True])
def test_gradients_with_dropout_are_those_of_the_very_masks_of_the_forward_pass(is_checkpointed: bool) -> None:
    """The masks are drawn again in backward; central differences of the seeded loss say what they have to give."""
    model, batch = adapted_falcon(lora_dropout=0.4, dtype=torch.float64), packed(DOCUMENTS)

    def nats() -> torch.Tensor:
        torch.manual_seed(3)
        return packed_nats(model, batch, is_checkpointed=is_checkpointed)

    found, step, checked = gradients(model, nats()), 1e-5, 0
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        direction = torch.randn_like(parameter)
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.add_(direction, alpha=sign * step)
                losses.append(nats().item())
                parameter.sub_(direction, alpha=sign * step)
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx((found[name] * direction).sum().item(), rel=1e-5)
        checked += 1
    assert checked == 16


def test_mean_of_dropout_is_the_pass_without_it() -> None:
    """What is kept is scaled up, so the adapter's part is right on average; the norm's bend leaves a small rest."""
    dropping, batch = adapted_falcon(lora_dropout=0.1, target_modules=("dense_4h_to_h",)), packed(DOCUMENTS)
    torch.manual_seed(0)
    with torch.no_grad():
        mean = torch.stack([packed_hidden_states(dropping, batch) for _ in range(400)]).mean(0)
        exact = packed_hidden_states(dropping.eval(), batch)
    assert float((mean - exact).abs().mean() / exact.abs().mean()) < 0.02


def test_bfloat16_stays_close_to_full_precision() -> None:
    model, batch = adapted_falcon(), packed(DOCUMENTS)
    exact = packed_nats(model, batch)
    wanted = gradients(model, exact)
    rounded = adapted_falcon(dtype=torch.bfloat16)
    nats = packed_nats(rounded, batch)
    assert nats.item() == pytest.approx(exact.item(), rel=0.02)
    for name, gradient in gradients(rounded, nats).items():
        similarity = torch.nn.functional.cosine_similarity(gradient.float().flatten(), wanted[name].flatten(), dim=0)
        assert float(similarity) > 0.99, name


def test_float32_adapters_on_a_bfloat16_base_get_float32_gradients() -> None:
    model, batch = adapted_falcon(dtype=torch.bfloat16), packed(DOCUMENTS)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    found = gradients(model, packed_nats(model, batch))
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}


def test_compiled_pieces_trace_whole_and_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced without a code generator, which takes seconds: a piece that cannot be compiled whole fails here."""
    model, batch = adapted_falcon(), packed(DOCUMENTS)
    eager = packed_nats(model, batch)
    wanted = gradients(model, eager)
    monkeypatch.setattr("falcon.packed_forward.compiled", lambda: compiled("aot_eager"))
    assert compiled("aot_eager").rotate is not EAGER.rotate
    nats = packed_nats(model, batch, is_compiled=True)
    torch.testing.assert_close(nats, eager, rtol=1e-6, atol=1e-5)
    assert_same(gradients(model, nats), wanted)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_type", "gpt2"),
        ("parallel_attn", False),
        ("multi_query", False),
        ("new_decoder_architecture", True),
        ("alibi", True),
        ("bias", True),
        ("activation", "relu"),
        ("rope_parameters", {"rope_type": "linear", "rope_theta": 10000.0}),
    ],
)
def test_other_kinds_of_model_are_refused_in_one_sentence(name: str, value: object) -> None:
    config = SimpleNamespace(**{**tiny_falcon().config.to_dict(), name: value})
    with pytest.raises(ModelError, match="Falcon") as caught:
        packed_hidden_states(SimpleNamespace(config=config), packed(DOCUMENTS))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_adapter_of_another_kind_is_refused() -> None:
    model = adapted_falcon()
    model.add_adapter("second", LoraConfig(r=4, target_modules=["dense"], use_dora=True, task_type="CAUSAL_LM"))
    model.set_adapter("second")
    with pytest.raises(ModelError, match="one plain LoRA adapter"):
        packed_hidden_states(model, packed(DOCUMENTS))
