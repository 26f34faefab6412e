"""Streamed loading: the same tensors as transformers' own loading, and 4 bits that really are 4 bits."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, FalconForCausalLM

from core.errors import ModelError
from core.settings import PROJECT_ROOT
from falcon.loading import count_four_bit, load_base
from falcon.streaming import stream_falcon
from tests.falcon.tiny_falcon import CPU, WORDS, change_json, tiny_falcon

PROJECTIONS = 8  # of the tiny Falcon's two layers


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A tiny Falcon's folder to damage."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "tiny"))


def refusal(folder: Path, precision: str = "fp32") -> str:
    with pytest.raises(ModelError) as caught:
        stream_falcon(folder, precision, CPU)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def rewrite(folder: Path, change: dict[str, torch.Tensor | None]) -> None:
    """Replace tensors in the weights file; None takes one away."""
    file = folder / "model.safetensors"
    weights = load_file(file) | change
    save_file({name: tensor for name, tensor in weights.items() if tensor is not None}, file)


def assert_same_tensors(ours: nn.Module, theirs: nn.Module) -> None:
    streamed, loaded = dict(ours.named_parameters()), dict(theirs.named_parameters())
    assert streamed.keys() == loaded.keys()
    for name, parameter in loaded.items():
        assert streamed[name].dtype == parameter.dtype, name
        assert torch.equal(streamed[name], parameter), name
    buffers = dict(theirs.named_buffers())
    assert dict(ours.named_buffers()).keys() == buffers.keys()
    for name, buffer in ours.named_buffers():
        assert torch.equal(buffer, buffers[name]), name


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_tensor_equals_transformers_own_loading(tiny_folder: Path, precision: str) -> None:
    assert_same_tensors(stream_falcon(tiny_folder, precision, CPU), load_base(tiny_folder, precision, CPU))


def test_nf4_equals_what_bitsandbytes_makes_of_the_same_weights(tiny_folder: Path) -> None:
    ours, theirs = stream_falcon(tiny_folder, "nf4", CPU), load_base(tiny_folder, "nf4", CPU)
    assert_same_tensors(ours, theirs)
    compared = 0
    for name, parameter in theirs.named_parameters():
        state = getattr(parameter, "quant_state", None)
        if state is not None:
            assert ours.get_parameter(name).quant_state == state, name  # scales, their scales, offset, shape, code
            assert state.nested, name
            compared += 1
    assert compared == PROJECTIONS


def test_nf4_is_four_bit_in_every_projection_and_in_bytes(tiny_folder: Path) -> None:
    model = stream_falcon(tiny_folder, "nf4", CPU)
    assert count_four_bit(model) == PROJECTIONS
    plain = stream_falcon(tiny_folder, "bf16", CPU)
    packed = sum(p.numel() * p.element_size() for name, p in model.named_parameters() if ".h." in name and p.ndim == 2)
    whole = sum(p.numel() * p.element_size() for name, p in plain.named_parameters() if ".h." in name and p.ndim == 2)
    assert packed * 4 == whole  # 16 bits become 4


def test_shipped_pocket_answers_as_transformers_loads_it() -> None:
    folder = PROJECT_ROOT / "models" / "pocket"
    tokens = torch.arange(2, 30)[None]
    with torch.no_grad():
        ours, theirs = (load(folder, "fp32", CPU)(input_ids=tokens).logits for load in (stream_falcon, load_base))
    assert torch.equal(ours, theirs)


def test_sharded_weights_are_streamed_whole(tmp_path: Path) -> None:
    model = tiny_falcon()
    model.save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    assert_same_tensors(stream_falcon(tmp_path, "fp32", CPU), model)


def test_files_that_the_index_does_not_name_are_not_read(tmp_path: Path) -> None:
    model = tiny_falcon()
    model.save_pretrained(tmp_path, max_shard_size="40KB")
    save_file({"adapter.weight": torch.zeros(1)}, tmp_path / "another.safetensors")
    assert_same_tensors(stream_falcon(tmp_path, "fp32", CPU), model)


def test_head_that_the_file_spells_out_although_it_is_tied_changes_nothing(folder: Path) -> None:
    """tiiuae/falcon-7b's own files hold both."""
    embeddings = load_file(folder / "model.safetensors")["transformer.word_embeddings.weight"]
    rewrite(folder, {"lm_head.weight": embeddings.clone()})
    model = stream_falcon(folder, "fp32", CPU)
    assert model.lm_head.weight is model.transformer.word_embeddings.weight


def test_nothing_of_the_base_can_be_trained(tiny_folder: Path) -> None:
    for precision in ("fp32", "nf4"):
        model = stream_falcon(tiny_folder, precision, CPU)
        assert not model.training
        assert not any(parameter.requires_grad for parameter in model.parameters())


def test_nf4_generates_as_an_ordinary_model_does(tiny_folder: Path) -> None:
    model = stream_falcon(tiny_folder, "nf4", CPU)
    theirs = load_base(tiny_folder, "nf4", CPU)
    tokens = torch.arange(2, len(WORDS))[None]
    with torch.no_grad():
        assert torch.equal(model(input_ids=tokens).logits, theirs(input_ids=tokens).logits)


def test_missing_tensor_is_named(folder: Path) -> None:
    rewrite(folder, {"transformer.h.1.mlp.dense_4h_to_h.weight": None})
    assert "transformer.h.1.mlp.dense_4h_to_h.weight is missing" in refusal(folder)


def test_tensor_of_another_shape_is_named_with_both_shapes(folder: Path) -> None:
    rewrite(folder, {"transformer.h.1.mlp.dense_4h_to_h.weight": torch.zeros(64, 8)})
    assert "dense_4h_to_h.weight is (64, 8), and config.json says (64, 256)" in refusal(folder)


def test_tensor_that_the_model_has_no_place_for_is_left_out(folder: Path) -> None:
    """Old checkpoints of the Hub carry tables that today's Falcon computes itself."""
    wanted = stream_falcon(folder, "fp32", CPU)
    rewrite(folder, {"transformer.h.1.self_attention.rotary_emb.inv_freq": torch.zeros(8)})
    assert_same_tensors(stream_falcon(folder, "fp32", CPU), wanted)


def test_cut_file_is_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert str(folder) in refusal(folder)


def test_other_models_are_refused(folder: Path) -> None:
    change_json(folder / "config.json", model_type="gpt2")
    assert "gpt2" in refusal(folder)


def test_streamed_model_is_saved_and_loaded_like_any_other(tiny_folder: Path, tmp_path: Path) -> None:
    model = stream_falcon(tiny_folder, "fp32", CPU)
    assert isinstance(model, FalconForCausalLM)
    model.save_pretrained(tmp_path)
    assert_same_tensors(AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32), model)
