"""LoRA adapters: put on, merged, or refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch import nn

from core.errors import ModelError
from core.settings import load_settings
from falcon.loading import attach_adapter, load_base, load_model
from tests.falcon.tiny_falcon import CPU, WORDS, change_json, tiny_falcon


def write_adapter(
    folder: Path, *, hidden_size: int = 64, num_hidden_layers: int = 2, target_modules: str | list[str] = "all-linear"
) -> Path:
    """Write a random LoRA adapter of a tiny Falcon of that shape."""
    base = tiny_falcon(hidden_size=hidden_size, num_hidden_layers=num_hidden_layers)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=target_modules, task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(base, lora).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapters") / "style-7")


@pytest.fixture
def spoilt(adapter: Path, tmp_path: Path) -> Path:
    """An adapter to damage."""
    return Path(shutil.copytree(adapter, tmp_path / "spoilt"))


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(2, len(WORDS))[None]).logits


def refusal(tiny_folder: Path, folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        attach_adapter(load_base(tiny_folder, "fp32", CPU), folder, is_merged=True)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_merged_adapter_answers_as_the_unmerged_one_and_not_as_the_base(tiny_folder: Path, adapter: Path) -> None:
    base = logits(load_base(tiny_folder, "fp32", CPU))
    merged, apart = (
        logits(attach_adapter(load_base(tiny_folder, "fp32", CPU), adapter, is_merged=is_merged))
        for is_merged in (True, False)
    )
    torch.testing.assert_close(merged, apart, rtol=1e-4, atol=1e-4)
    assert float((merged - base).abs().max()) > 0.01


def test_adapter_of_the_settings_is_put_on_and_named(tiny_folder: Path, adapter: Path) -> None:
    settings = load_settings(_env_file=None, model_id=str(tiny_folder), precision="fp32", adapter=adapter)
    loaded = load_model(settings)
    assert loaded.info.adapter == "style-7"
    expected = attach_adapter(load_base(tiny_folder, "fp32", CPU), adapter, is_merged=False)
    torch.testing.assert_close(logits(loaded.model), logits(expected), rtol=1e-4, atol=1e-4)


def test_adapter_goes_onto_a_4_bit_base_unmerged(tiny_folder: Path, adapter: Path) -> None:
    settings = load_settings(_env_file=None, model_id=str(tiny_folder), precision="nf4", adapter=adapter)
    names = [name for name, _ in load_model(settings).model.named_parameters()]
    assert sum("lora_A" in name for name in names) == 4 * 2


def test_pickled_adapter_is_refused_unread(tiny_folder: Path, spoilt: Path) -> None:
    weights = load_file(spoilt / "adapter_model.safetensors")
    torch.save(weights, spoilt / "adapter_model.bin")
    (spoilt / "adapter_model.safetensors").unlink()
    assert "has no adapter_model.safetensors; only safetensors adapters are loaded" in refusal(tiny_folder, spoilt)


def test_adapter_without_its_configuration_is_refused(tiny_folder: Path, spoilt: Path) -> None:
    (spoilt / "adapter_config.json").unlink()
    assert "has no adapter_config.json" in refusal(tiny_folder, spoilt)


def test_adapter_of_a_narrower_model_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "narrow", hidden_size=32)
    assert "does not fit the base model" in refusal(tiny_folder, folder)


@pytest.mark.filterwarnings("ignore:Found missing adapter keys:UserWarning")
def test_adapter_of_a_shallower_model_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    """peft loads the layers that it finds and warns; half of the model then answered without its adapter."""
    folder = write_adapter(tmp_path / "shallow", num_hidden_layers=1, target_modules=["query_key_value"])
    assert "no match for 2 tensors" in refusal(tiny_folder, folder)


def test_adapter_of_a_deeper_model_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    """peft says nothing at all of tensors that have no place in the base."""
    folder = write_adapter(tmp_path / "deep", num_hidden_layers=3)
    assert "no match for 8 tensors" in refusal(tiny_folder, folder)


def test_adapter_of_another_rank_is_refused(tiny_folder: Path, spoilt: Path) -> None:
    change_json(spoilt / "adapter_config.json", r=8)
    assert "size mismatch" in refusal(tiny_folder, spoilt)


def test_adapter_for_modules_that_the_base_lacks_is_refused(tiny_folder: Path, spoilt: Path) -> None:
    change_json(spoilt / "adapter_config.json", target_modules=["q_proj"])
    assert "q_proj" in refusal(tiny_folder, spoilt)


@pytest.mark.parametrize("text", ["{", "{}", json.dumps({"peft_type": "SOMETHING_ELSE"})])
def test_damaged_adapter_configuration_is_refused(tiny_folder: Path, spoilt: Path, text: str) -> None:
    (spoilt / "adapter_config.json").write_text(text, encoding="utf-8")
    assert "does not fit the base model" in refusal(tiny_folder, spoilt)


@pytest.mark.parametrize("size", [0, 500, -10])
def test_truncated_adapter_weights_are_refused(tiny_folder: Path, spoilt: Path, size: int) -> None:
    file = spoilt / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    assert "does not fit the base model" in refusal(tiny_folder, spoilt)
