"""An adapter's folder as plain pairs of matrices, or one sentence why not."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import ModelError
from falcon.lora import PROJECTIONS, read_lora
from tests.falcon.test_adapters import write_adapter
from tests.falcon.tiny_falcon import change_json, tiny_falcon

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def write_lora(folder: Path, **settings: Any) -> Path:
    """Write a random adapter of the tiny Falcon with peft."""
    given = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "init_lora_weights": False, **settings}
    get_peft_model(tiny_falcon(), LoraConfig(task_type="CAUSAL_LM", **given)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapters") / "style-7")


@pytest.fixture
def spoilt(adapter: Path, tmp_path: Path) -> Path:
    """An adapter to damage."""
    return Path(shutil.copytree(adapter, tmp_path / "spoilt"))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_lora(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert message.endswith(".")
    assert "\n" not in message
    return message


def change_tensors(folder: Path, **changes: Tensor | None) -> None:
    """Set the tensors whose names hold a key (dots as __); None takes them out."""
    tensors = load_file(folder / WEIGHTS)
    for part, value in changes.items():
        names = [name for name in tensors if part.replace("__", ".") in name]
        assert names
        for name in names:
            tensors.pop(name)
            if value is not None:
                tensors[name] = value.clone()
    save_file(tensors, folder / WEIGHTS)


def test_every_projection_of_every_layer_is_read_with_its_sizes(adapter: Path) -> None:
    lora = read_lora(adapter)
    assert lora.rank == 4
    assert lora.pairs.keys() == {(layer, projection) for layer in (0, 1) for projection in PROJECTIONS}
    # Two heads of 32 share one key and one value: 64 + 2 * 32 outputs.
    sizes = {"query_key_value": (128, 64), "dense": (64, 64), "dense_h_to_4h": (256, 64), "dense_4h_to_h": (64, 256)}
    for (_, projection), pair in lora.pairs.items():
        assert (pair.b.shape, pair.a.shape) == ((sizes[projection][0], 4), (4, sizes[projection][1]))
        assert pair.a.dtype == pair.b.dtype == torch.float32


@pytest.mark.parametrize(("is_rslora", "scale"), [(False, 8 / 4), (True, 8 / 4**0.5)])
def test_scale_lies_in_b(is_rslora: bool, scale: float, tmp_path: Path) -> None:
    folder = write_lora(tmp_path / "style", use_rslora=is_rslora)
    tensors = load_file(folder / WEIGHTS)
    [name] = [name for name in tensors if "h.1.self_attention.dense.lora_B" in name]
    torch.testing.assert_close(read_lora(folder).pairs[1, "dense"].b, tensors[name] * scale)


def test_subset_of_projections_and_layers_is_read(tmp_path: Path) -> None:
    folder = write_lora(tmp_path / "style", target_modules=["query_key_value"], layers_to_transform=[1])
    assert read_lora(folder).pairs.keys() == {(1, "query_key_value")}


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS])
def test_missing_file_is_named(file: str, spoilt: Path) -> None:
    (spoilt / file).unlink()
    assert file in refusal(spoilt)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    assert CONFIG in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS])
def test_damaged_file_is_refused(file: str, spoilt: Path) -> None:
    (spoilt / file).write_bytes((spoilt / file).read_bytes()[:-40])
    assert "copy it again" in refusal(spoilt)


@pytest.mark.parametrize("text", ["[]", "null", '{"peft_type": "LORA"}', '{"peft_type": "IA3", "r": 4}'])
def test_configuration_without_what_is_needed_is_refused(text: str, spoilt: Path) -> None:
    (spoilt / CONFIG).write_text(text, encoding="utf-8")
    assert "cannot be read" in refusal(spoilt)


@pytest.mark.parametrize("changes", [{"r": 0}, {"r": "4"}, {"lora_alpha": "8"}, {"lora_alpha": None}])
def test_impossible_numbers_are_refused(changes: dict[str, object], spoilt: Path) -> None:
    change_json(spoilt / CONFIG, **changes)
    assert "r is" in refusal(spoilt)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"rank_pattern": {"dense": 2}}, "rank_pattern"),
        ({"alpha_pattern": {"dense": 2}}, "alpha_pattern"),
        ({"bias": "lora_only"}, "bias"),
        ({"modules_to_save": ["ln_f"]}, "modules_to_save"),
    ],
)
def test_arithmetic_beyond_two_matrices_is_refused(settings: dict[str, Any], name: str, tmp_path: Path) -> None:
    assert f"{name} = " in refusal(write_lora(tmp_path / "style", **settings))


def test_adapter_of_something_else_than_projections_is_refused(tmp_path: Path) -> None:
    folder = write_lora(tmp_path / "style", target_modules=["dense", "word_embeddings"])
    assert "belongs to no projection" in refusal(folder)


def test_pair_without_its_half_is_refused(spoilt: Path) -> None:
    change_tensors(spoilt, h__1__mlp__dense_h_to_4h__lora_B=None)
    assert "not whole: 1 pairs" in refusal(spoilt)


def test_adapter_without_tensors_is_refused(spoilt: Path) -> None:
    save_file({}, spoilt / WEIGHTS)
    assert "not whole" in refusal(spoilt)


@pytest.mark.parametrize("shape", [(3, 64), (4,), (4, 8, 8)])
def test_matrix_of_another_rank_than_said_is_refused(shape: tuple[int, ...], spoilt: Path) -> None:
    change_tensors(spoilt, h__0__self_attention__dense__lora_A=torch.ones(shape))
    message = refusal(spoilt)
    assert "dense of layer 0" in message
    assert "rank 4" in message


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused(value: float, spoilt: Path) -> None:
    """All rows share the products with all adapters: a NaN here would be a NaN for everybody."""
    matrix = torch.ones(4, 64)
    matrix[2, 5] = value
    change_tensors(spoilt, h__0__self_attention__dense__lora_A=matrix)
    assert "no numbers" in refusal(spoilt)
