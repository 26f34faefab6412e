"""The invented data folder and small shapes that the trainer's tests share."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.settings import PROJECT_ROOT
from tests.trainer.invented_data import VERSION, write_data
from trainer.pretraining.config import PretrainConfig, read_pretrain_config
from trainer.pretraining.corpus import Corpus, build_corpus


@pytest.fixture(autouse=True, scope="module")
def untouched_torch() -> Iterator[None]:
    """Compute on one thread, which a busy machine does not slow down, and undo what training sets for the process."""
    precision, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "prompts")


@pytest.fixture(scope="session")
def corpus(data_folder: Path) -> Corpus:
    return build_corpus(data_folder, version=VERSION)


@pytest.fixture(scope="session")
def tiny_config() -> PretrainConfig:
    """The shipped settings with a shape and a batch that a CPU trains in a second."""
    shipped = read_pretrain_config(PROJECT_ROOT / "configs" / "pretrain.toml")
    return replace(
        shipped,
        model=replace(
            shipped.model,
            vocab_size=400,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=160,
        ),
        train=replace(shipped.train, tokens_per_step=4096, warmup_steps=4),
        general=replace(shipped.general, epochs=2),
        midjourney=replace(shipped.midjourney, epochs=2, tokens_per_step=4096),
    )
