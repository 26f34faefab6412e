"""Models that the tests of this folder share; loading takes seconds, so each is loaded once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers.models.falcon import modeling_falcon

from core.settings import PROJECT_ROOT, load_settings
from falcon.decode_config import DecodeConfig, read_decode_config
from falcon.decoding import TransformersGenerator
from falcon.loading import LoadedModel, load_model
from tests.falcon.tiny_falcon import write_tiny_falcon


@pytest.fixture(autouse=True, scope="module")
def untouched_torch() -> Iterator[None]:
    """Compute on one thread, which a busy machine does not slow down, and undo what loading sets for the process."""
    threads, linear = torch.get_num_threads(), modeling_falcon.FalconLinear
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    setattr(modeling_falcon, "FalconLinear", linear)  # noqa: B010 - mypy would see a type assigned to


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Falcon's folder; copy it before changing anything."""
    return write_tiny_falcon(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def pocket() -> LoadedModel:
    """The shipped model in full precision, in which batches of any size compute the same numbers but for rounding."""
    return load_model(load_settings(_env_file=None, model_id=str(PROJECT_ROOT / "models" / "pocket"), precision="fp32"))


@pytest.fixture(scope="session")
def shipped_config() -> DecodeConfig:
    """configs/decode.toml."""
    return read_decode_config(PROJECT_ROOT / "configs" / "decode.toml")


@pytest.fixture(scope="session")
def shipped_generator(pocket: LoadedModel, shipped_config: DecodeConfig) -> TransformersGenerator:
    """The shipped model with the shipped decoding settings."""
    return TransformersGenerator(pocket, shipped_config)
