"""The two steps of `mjprompt pretrain` and the folder that they leave."""

import gzip
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from core.errors import ConfigError
from core.settings import PROJECT_ROOT
from falcon.source import locate
from tests.trainer.invented_data import VERSION
from trainer.pretraining.command import SIDES, load_prepared, prepare, train, write_model
from trainer.pretraining.config import PretrainConfig, read_pretrain_config
from trainer.pretraining.corpus import Corpus, build_corpus
from trainer.pretraining.pretrain import build_model


@pytest.fixture(scope="module")
def prepared(data_folder: Path, tiny_config: PretrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work") / "new" / "prepared"
    prepare(data_folder, folder, tiny_config, version=VERSION)
    return folder


def test_preparing_leaves_arrays_tokenizer_and_counts_but_no_text(prepared: Path, corpus: Corpus) -> None:
    assert {file.name for file in prepared.iterdir()} == {
        "tokenizer.json",
        "counts.json",
        *(f"{side}.npz" for side in SIDES),
    }
    counts = json.loads((prepared / "counts.json").read_text(encoding="utf-8"))
    data = load_prepared(prepared)
    for side in SIDES:
        assert counts[f"{side}: documents"] == len(getattr(data, side)) == len(getattr(corpus, side))
        assert counts[f"{side}: tokens"] == len(getattr(data, side).tokens)


@pytest.mark.parametrize("name", [*(f"{side}.npz" for side in SIDES), "tokenizer.json"])
def test_folder_that_was_not_prepared_is_refused(prepared: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(prepared, tmp_path / "prepared"))
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=f"has no {re.escape(name)}: prepare the data first"):
        load_prepared(folder)


def test_too_few_prompts_are_refused(data_folder: Path, tiny_config: PretrainConfig, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(data_folder, tmp_path / "data"))
    with gzip.open(folder / "midjourney_prompts.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.write('{"text": "a red fox, soft light, early dusk"}\n')
    with pytest.raises(ConfigError, match="too few usable prompts"):
        prepare(folder, tmp_path / "prepared", tiny_config, version=VERSION)
    assert not (tmp_path / "prepared").exists()


def test_prompts_without_any_general_validation_are_refused_before_hours_of_training(
    data_folder: Path, tiny_config: PretrainConfig, tmp_path: Path
) -> None:
    """Training used to run to its end and then to divide by the bytes of an empty side."""
    assert not build_corpus(data_folder, version=VERSION, max_general_rows=3).general_validation
    with pytest.raises(ConfigError, match="too few usable prompts"):
        prepare(data_folder, tmp_path / "prepared", tiny_config, version=VERSION, max_general_rows=3)


def test_training_from_a_prepared_folder_writes_a_model_that_can_be_served(
    prepared: Path, tiny_config: PretrainConfig, tmp_path: Path
) -> None:
    config = replace(tiny_config, general=replace(tiny_config.general, epochs=1))
    metrics = train(prepared, tmp_path / "out" / "model", config)
    folder = locate(str(tmp_path / "out" / "model"), None)
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8")) == metrics
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.bfloat16}  # noqa: SIM118
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"] == ["FalconForCausalLM"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model"], "nothing is left beside it"


def test_model_card_in_the_folder_survives_a_new_training(
    prepared: Path, tiny_config: PretrainConfig, tmp_path: Path
) -> None:
    tmp_path.joinpath("README.md").write_text("the card", encoding="utf-8")
    tmp_path.joinpath("metrics.json").write_text("old", encoding="utf-8")
    write_model(build_model(tiny_config.model), prepared / "tokenizer.json", tmp_path, {"seconds": 1.0})
    assert tmp_path.joinpath("README.md").read_text(encoding="utf-8") == "the card"
    assert json.loads(tmp_path.joinpath("metrics.json").read_text(encoding="utf-8")) == {"seconds": 1.0}


def test_weights_of_an_earlier_training_are_never_left_beside_the_new_ones(
    prepared: Path, tiny_config: PretrainConfig, tmp_path: Path
) -> None:
    for name in ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "model.safetensors"):
        tmp_path.joinpath(name).write_text("old", encoding="utf-8")
    write_model(build_model(tiny_config.model), prepared / "tokenizer.json", tmp_path, {})
    assert [file.name for file in tmp_path.glob("model*")] == ["model.safetensors"]
    sums = tmp_path.joinpath("SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert sorted(line.split("  ")[1] for line in sums) == sorted(
        file.name for file in tmp_path.iterdir() if file.name != "SHA256SUMS"
    )
    for line in sums:
        digest, name = line.split("  ")
        assert hashlib.sha256(tmp_path.joinpath(name).read_bytes()).hexdigest() == digest


def test_shipped_configuration_is_the_shipped_model() -> None:
    config = read_pretrain_config(PROJECT_ROOT / "configs" / "pretrain.toml")
    shipped = json.loads((PROJECT_ROOT / "models" / "pocket" / "config.json").read_text(encoding="utf-8"))
    for name in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"):
        assert getattr(config.model, name) == shipped[name], name


def test_unknown_key_of_the_training_configuration_is_refused(tmp_path: Path) -> None:
    text = (PROJECT_ROOT / "configs" / "pretrain.toml").read_text(encoding="utf-8")
    (tmp_path / "pretrain.toml").write_text(text.replace("\nseed =", "\nmomentum = 0.9\nseed ="), encoding="utf-8")
    with pytest.raises(ConfigError, match="train: unknown key 'momentum'"):
        read_pretrain_config(tmp_path / "pretrain.toml")
