"""Hyper-parameters of pretraining: TOML to frozen dataclasses; an unknown or missing key is an error."""

from dataclasses import dataclass
from pathlib import Path

from core.config_file import read_config


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """Falcon's shape, named as transformers' `FalconConfig` names it."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    hidden_dropout: float
    max_position_embeddings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """What both stages share."""

    seed: int
    max_document_tokens: int
    tokens_per_step: int
    lr: float
    embedding_lr: float
    weight_decay: float
    warmup_steps: int
    max_grad_norm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralStage:
    """The stage over the large corpus."""

    epochs: int
    final_lr_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MidjourneyStage:
    """The stage that teaches Midjourney's own style and parameters."""

    epochs: int
    replay: float
    tokens_per_step: int
    lr_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainConfig:
    """Everything that makes a pocket Falcon from prepared data."""

    model: ModelShape
    train: Optimisation
    general: GeneralStage
    midjourney: MidjourneyStage


def read_pretrain_config(path: Path) -> PretrainConfig:
    """Read `path`.

    Raises:
        ConfigError: the file is missing, is not TOML, or has an unknown, missing or ill-typed key.
    """
    return read_config(PretrainConfig, path)
