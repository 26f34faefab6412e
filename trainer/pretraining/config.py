"""Hyper-parameters of pretraining: TOML to frozen dataclasses; an unknown or missing key is an error."""

import math
from dataclasses import dataclass
from pathlib import Path

from core.config_file import read_config
from core.errors import ConfigError

MIN_VOCABULARY = 258  # every byte and two special tokens
MAX_VOCABULARY = 32_767  # buckets hold tokens in 16 bits
MAX_DOCUMENT_TOKENS = 160  # the widest bucket of trainer/pretraining/batching.py


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """Falcon's shape, named as transformers' `FalconConfig` names it."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    hidden_dropout: float
    max_position_embeddings: int

    def __post_init__(self) -> None:
        if not MIN_VOCABULARY <= self.vocab_size <= MAX_VOCABULARY:
            raise ConfigError(
                f"vocab_size = {self.vocab_size} is out of range; set {MIN_VOCABULARY} to {MAX_VOCABULARY}."
            )
        if self.num_attention_heads < 1 or self.hidden_size % self.num_attention_heads:
            raise ConfigError(
                f"num_attention_heads = {self.num_attention_heads} does not divide hidden_size = {self.hidden_size}; "
                "set a divisor."
            )


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

    def __post_init__(self) -> None:
        if not 1 <= self.max_document_tokens <= MAX_DOCUMENT_TOKENS:
            raise ConfigError(
                f"max_document_tokens = {self.max_document_tokens} is out of range; set 1 to {MAX_DOCUMENT_TOKENS}."
            )
        if self.tokens_per_step < 1 or not math.isfinite(self.lr) or self.lr <= 0:
            raise ConfigError(
                f"tokens_per_step = {self.tokens_per_step} and lr = {self.lr} must both be positive and finite."
            )


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
