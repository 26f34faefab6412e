"""Loading model and tokenizer: precisions, damaged folders, and 4 bits that really are 4 bits."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.models.falcon import modeling_falcon

from core.errors import ModelError
from core.settings import Settings, load_settings
from falcon.loading import (
    LoadedModel,
    count_four_bit,
    leave_a_core_free,
    load_base,
    load_model,
    load_tokenizer,
    measure,
    num_usable_cores,
    require_four_bit,
)
from tests.falcon.tiny_falcon import CPU, WORDS, change_json, write_tiny_falcon

OWN_LINEAR = modeling_falcon.FalconLinear  # transformers' own class, before any NF4 loading replaces it


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A tiny Falcon's folder to damage."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "tiny"))


def settings(folder: Path, **changes: object) -> Settings:
    return load_settings(_env_file=None, model_id=str(folder), **changes)


def bytes_of(model: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.arange(2, len(WORDS))[None]).logits.float()


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(settings(folder, precision="fp32"))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pocket_is_loaded_in_evaluation_mode_and_says_what_it_is(pocket: LoadedModel) -> None:
    assert (pocket.info.base, pocket.info.adapter, pocket.info.precision) == ("pocket", None, "fp32")
    assert not pocket.model.training
    assert {parameter.dtype for parameter in pocket.model.parameters()} == {torch.float32}
    assert pocket.tokenizer.padding_side == "left"


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_weights_are_held_in_the_precision_that_was_asked_for(
    tiny_folder: Path, precision: str, dtype: torch.dtype
) -> None:
    loaded = load_model(settings(tiny_folder, precision=precision))
    assert loaded.info.precision == precision
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {dtype}


def test_padding_token_is_the_end_of_sequence_where_a_tokenizer_has_none(tiny_folder: Path) -> None:
    tokenizer = load_tokenizer(tiny_folder)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 0


def test_tokenizer_without_an_end_of_sequence_is_refused(tmp_path: Path) -> None:
    message = refusal(write_tiny_falcon(tmp_path / "endless", eos_token=None))
    assert "no eos_token, so answers would never end" in message


def test_parameters_are_counted_from_the_configuration_alone(folder: Path) -> None:
    expected = sum(parameter.numel() for parameter in load_base(folder, "fp32", CPU).parameters())
    (folder / "model.safetensors").unlink()
    size = measure(folder)
    assert size.parameters == expected
    assert size.unquantised == len(WORDS) * 64


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a valid JSON file"),
        ("{}", "model_type"),
        ('{"model_type": "nobody-knows-this"}', "nobody-knows-this"),
        ('{"model_type": "vit"}', "AutoModelForCausalLM"),
        ('{"model_type": "falcon", "hidden_size": 65, "num_attention_heads": 2}', "must be divisible"),
        ('{"model_type": "falcon", "hidden_size": "wide"}', "hidden_size"),
    ],
)
def test_configuration_that_names_no_model_is_refused(folder: Path, text: str, said: str) -> None:
    (folder / "config.json").write_text(text, encoding="utf-8")
    message = refusal(folder)
    assert "names no model that can be loaded" in message
    assert said in message


@pytest.mark.parametrize("text", [None, "{", '{"version": "1.0"}'])
def test_missing_or_damaged_tokenizer_is_refused(folder: Path, text: str | None) -> None:
    (folder / "tokenizer_config.json").unlink()
    (folder / "tokenizer.json").unlink()
    if text is not None:
        (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    assert "has no tokenizer that can be loaded" in refusal(folder)


@pytest.mark.parametrize("size", [0, 7, 1000, -100])
def test_truncated_weights_are_refused(folder: Path, size: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    assert "cannot be loaded" in refusal(folder)


def test_weights_that_are_no_safetensors_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"no tensors at all" * 100)
    assert "cannot be loaded" in refusal(folder)


def test_missing_shard_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"metadata": {}, "weight_map": {"transformer.ln_f.weight": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert "model-00002-of-00002.safetensors" in refusal(folder)


def test_weights_without_a_layer_are_refused_rather_than_filled_at_random(folder: Path) -> None:
    """transformers draws missing tensors at random and only logs it: the model then answered with nonsense."""
    file = folder / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(file).items() if ".h.1." not in name}
    save_file(kept, file, metadata={"format": "pt"})
    assert "6 tensors (transformer.h.1.input_layernorm.bias) missing or of another shape" in refusal(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    change_json(folder / "config.json", hidden_size=32, ffn_hidden_size=128)
    assert "do not fit its config.json" in refusal(folder)


def test_missing_adapter_folder_is_refused_with_its_name(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no adapter_config\.json"):
        load_model(settings(tiny_folder, precision="fp32", adapter=tmp_path / "nowhere"))


def test_nf4_holds_every_projection_in_4_bits(tiny_folder: Path) -> None:
    loaded = load_model(settings(tiny_folder, precision="nf4"))
    full = load_base(tiny_folder, "bf16", CPU)
    assert loaded.info.precision == "nf4"
    assert count_four_bit(loaded.model) == 4 * 2
    assert count_four_bit(full) == 0
    assert bytes_of(loaded.model) < 0.4 * bytes_of(full)


def test_nf4_answers_nearly_as_full_precision_does(tiny_folder: Path) -> None:
    full, quantised = (logits(load_base(tiny_folder, precision, CPU)) for precision in ("fp32", "nf4"))
    likeness = torch.corrcoef(torch.stack([full.flatten(), quantised.flatten()]))[0, 1]
    assert 0.9 < float(likeness) < 0.99999


def test_nf4_that_transformers_quietly_leaves_out_is_refused(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers quantises only exact `nn.Linear` modules; Falcon's are a subclass, so nothing was 4-bit."""
    assert OWN_LINEAR is not nn.Linear
    monkeypatch.setattr(modeling_falcon, "FalconLinear", OWN_LINEAR)
    model = AutoModelForCausalLM.from_pretrained(
        tiny_folder,
        trust_remote_code=False,
        quantization_config=BitsAndBytesConfig(load_in_4bit=True),
        device_map={"": CPU},
    )
    with pytest.raises(ModelError, match=r"quantised 0 of 8 projections.*PRECISION=bf16"):
        require_four_bit(model)


def test_nf4_that_leaves_one_projection_out_is_refused(tiny_folder: Path) -> None:
    model = load_base(tiny_folder, "nf4", CPU)
    model.transformer.h[1].mlp.dense_h_to_4h = nn.Linear(64, 256)
    with pytest.raises(ModelError, match="quantised 7 of 8"):
        require_four_bit(model)


def test_one_core_is_left_to_others_unless_the_person_set_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert num_usable_cores() >= 1
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        leave_a_core_free()
        assert torch.get_num_threads() == 3
        monkeypatch.delenv("OMP_NUM_THREADS")
        leave_a_core_free()
        assert torch.get_num_threads() == max(1, min(3, num_usable_cores() - 1))
    finally:
        torch.set_num_threads(before)
