"""What one fine-tuning does: configs/train.toml and its siblings as frozen dataclasses.

Every value is checked here, once, so that nothing later has to ask whether it is possible. It knows no data and no
model.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.config_file import build_config, read_config
from core.errors import ConfigError
from core.settings import PROJECT_ROOT, Precision

CONFIGS_FOLDER = PROJECT_ROOT / "configs"
FALCON_PROJECTIONS = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
MAX_CONTEXT_TOKENS = 2048  # Falcon's own

SourceKind = Literal["hub", "file", "seed", "rated"]
Switch = Literal["auto", "on", "off"]
ObjectiveName = Literal["supervised", "kto", "dpo"]


def _require(is_possible: bool, name: str, value: object, cure: str) -> None:
    if not is_possible:  # a comparison with NaN is false, so NaN never passes
        raise ConfigError(f"{name} = {value!r} is out of range; {cure}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Where prompts come from.

    `hub` is the data set `id` of the Hub at `revision` (a commit), `file` a csv, json, jsonl or parquet file, `seed`
    the pairs that the seed was tuned on, `rated` what this product's own users voted for. `weight` is how often the
    source counts: 0.5 takes half of its prompts, 2 takes each twice. Prompts are read from `text_column`, unless
    `subject_column` and `prompt_column` both name where ready-made pairs stand.
    """

    kind: SourceKind
    id: str = ""
    revision: str | None = None
    split: str = "train"
    weight: float = 1.0
    text_column: str = "text"
    subject_column: str | None = None
    prompt_column: str | None = None

    def __post_init__(self) -> None:
        if self.kind in ("hub", "file") and not self.id:
            raise ConfigError(f"id is empty; name the {'data set' if self.kind == 'hub' else 'file'} of this source.")
        _require(0 < self.weight <= 100, "weight", self.weight, "set more than 0, at most 100")
        if (self.subject_column is None) != (self.prompt_column is None):
            raise ConfigError("subject_column and prompt_column belong together; set both, or neither.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Which prompts are learned from, and which of them only measure.

    `names_file` is a text file of names, one a line; what a prompt says of one of them is dropped. Without
    `is_rated_held_out` no rated pair measures, so that the validation loss says what the model forgets and nothing of
    what people like.
    """

    sources: tuple[SourceConfig, ...]
    names_file: str | None = None
    validation_share: float = 0.05
    max_validation_pairs: int = 512
    is_rated_held_out: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("sources is empty; name one source at least.")
        share = self.validation_share
        _require(0 < share <= 0.5, "validation_share", share, "set more than 0, at most 0.5")
        _require(self.max_validation_pairs >= 1, "max_validation_pairs", self.max_validation_pairs, "set 1 or more")
        _require(self.seed >= 0, "seed", self.seed, "set 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenConfig:
    """How prompts become blocks: documents of up to `max_document_tokens`, packed into blocks of `block_tokens`.

    A block is one micro-batch, until memory runs out. Without packing (`is_packed = false`, the seed's way) each block
    holds one document.
    """

    max_document_tokens: int
    block_tokens: int
    is_packed: bool

    def __post_init__(self) -> None:
        longest = self.max_document_tokens
        _require(8 <= longest <= MAX_CONTEXT_TOKENS, "max_document_tokens", longest, f"set 8 to {MAX_CONTEXT_TOKENS}")
        _require(self.block_tokens >= longest, "block_tokens", self.block_tokens, f"set {longest} or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """The adapter's shape, named as peft names it; an empty `target_modules` means all four projections."""

    r: int
    lora_alpha: int
    lora_dropout: float = 0.0
    target_modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(1 <= self.r <= 1024, "r", self.r, "set 1 to 1024")
        _require(self.lora_alpha >= 1, "lora_alpha", self.lora_alpha, "set 1 or more")
        _require(0 <= self.lora_dropout < 1, "lora_dropout", self.lora_dropout, "set 0 or more, less than 1")
        for name in self.target_modules:
            _require(name in FALCON_PROJECTIONS, "target_modules", name, f"take of {', '.join(FALCON_PROJECTIONS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """AdamW, named as torch names it, and its learning rate over the run: warm-up, then a cosine down to a share."""

    lr: float
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    warmup_share: float = 0.03
    final_lr_share: float = 0.1
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        _require(0 < self.lr <= 1, "lr", self.lr, "set more than 0, at most 1")
        _require(0 <= self.weight_decay <= 1, "weight_decay", self.weight_decay, "set 0 to 1")
        for beta in self.betas:
            _require(0 <= beta < 1, "betas", beta, "set 0 or more, less than 1")
        _require(0 <= self.warmup_share < 1, "warmup_share", self.warmup_share, "set 0 or more, less than 1")
        _require(0 <= self.final_lr_share <= 1, "final_lr_share", self.final_lr_share, "set 0 to 1")
        _require(0 < self.max_grad_norm < math.inf, "max_grad_norm", self.max_grad_norm, "set more than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """How long is trained and how often is looked: an optimizer step learns from `tokens_per_step`, on all devices.

    Training ends early once `patience` evaluations in a row did not improve on the best. `max_steps` makes the whole
    run shorter, its learning rate's fall included. `kept` says whose weights the adapter gets: those of the best
    evaluation, or with `last` those of the end, where another measure than the validation loss is to judge them;
    `patience` does nothing then. `tracker` is a name that accelerate knows, `auto` (TensorBoard where
    it is installed) or `none`.
    """

    epochs: float
    tokens_per_step: int
    evaluate_every_steps: int
    save_every_steps: int
    patience: int
    seed: int = 0
    is_compiled: Switch = "auto"
    max_steps: int | None = None
    kept: Literal["best", "last"] = "best"
    tracker: str = "auto"

    def __post_init__(self) -> None:
        _require(0 < self.epochs <= 1000, "epochs", self.epochs, "set more than 0, at most 1000")
        for name in ("tokens_per_step", "evaluate_every_steps", "save_every_steps", "patience"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "set 1 or more")
        _require(self.max_steps is None or self.max_steps >= 1, "max_steps", self.max_steps, "set 1 or more")
        _require(self.seed >= 0, "seed", self.seed, "set 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSettings:
    """What is made of people's opinions; all other pairs are always learned from as they are.

    `supervised` learns from what was liked as from any other pair. `kto` raises what was liked and lowers what was
    disliked, both sides together worth the same, until `beta` times the nats won is a few: the lower, the further it
    goes from the base model. `dpo` parts two answers of one request likewise, and learns `supervised_weight` times from
    the chosen one as from any other pair. `preference_weight` is in nats for each token of an answer of usual length:
    what an opinion costs that the model does not share at all. The other two weigh the sides of `kto`.
    With `is_anchored`, `kto` and `dpo` learn all other pairs against what the base model foretells, token by token,
    rather than against the tokens that stand there: for pairs that the base model wrote itself.
    With `max_divergence_share`, the adapter is made stronger or weaker in the end, until it
    parts from the base model by this share of its entropy on other pairs (trainer/preferences/strength.py).
    """

    kind: ObjectiveName = "supervised"
    beta: float = 1.0
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    preference_weight: float = 0.7
    supervised_weight: float = 0.2
    is_anchored: bool = False
    max_divergence_share: float | None = None

    def __post_init__(self) -> None:
        _require(0 < self.beta <= 10, "beta", self.beta, "set more than 0, at most 10")
        for name in ("desirable_weight", "undesirable_weight", "preference_weight", "supervised_weight"):
            _require(0 <= getattr(self, name) <= 100, name, getattr(self, name), "set 0 to 100")
        share = self.max_divergence_share
        _require(share is None or 0 < share <= 1, "max_divergence_share", share, "set more than 0, at most 1")


SUPERVISED = ObjectiveSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryConfig:
    """What may be traded for memory; `auto` chooses by what is free on the device."""

    precision: Precision = "auto"
    checkpointing: Switch = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How many subjects each model answers when training is done; with 0 they are compared by their loss alone."""

    num_subjects: int = 64

    def __post_init__(self) -> None:
        _require(self.num_subjects >= 0, "num_subjects", self.num_subjects, "set 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Everything that makes an adapter of a base model and data."""

    data: DataConfig
    tokens: TokenConfig
    lora: LoraSettings
    optimizer: OptimizerConfig
    loop: LoopConfig
    memory: MemoryConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    objective: ObjectiveSettings = SUPERVISED

    def __post_init__(self) -> None:
        step, block, longest = self.loop.tokens_per_step, self.tokens.block_tokens, self.tokens.max_document_tokens
        _require(step % block == 0, "tokens_per_step", step, f"set a multiple of block_tokens = {block}")
        if self.objective.kind == "dpo":  # both answers lie in one block
            _require(block >= 2 * longest, "block_tokens", block, f'set {2 * longest} or more for kind = "dpo"')

    @property
    def blocks_per_step(self) -> int:
        """Return the blocks that one optimizer step learns from, on all devices together."""
        return self.loop.tokens_per_step // self.tokens.block_tokens


def read_train_config(path: Path) -> TrainConfig:
    """Read `path`.

    Raises:
        ConfigError: the file is missing, is not TOML, or has an unknown, missing, ill-typed or impossible value.
    """
    return read_config(TrainConfig, path)


def train_config_of(table: Mapping[str, Any], *, where: str) -> TrainConfig:
    """Return the configuration that `dataclasses.asdict` made `table` of, for a run that goes on.

    Raises:
        ConfigError: another version of this program made it.
    """
    return build_config(TrainConfig, table, where=where)


def recipe_file(name: str) -> Path:
    """Return the file of a shipped recipe: `seed` and `pocket`, or `default` for configs/train.toml.

    Raises:
        ConfigError: there is no such recipe; the message lists them.
    """
    recipes = {file.stem.removeprefix("train_"): file for file in sorted(CONFIGS_FOLDER.glob("train_*.toml"))}
    recipes["default"] = CONFIGS_FOLDER / "train.toml"
    if name not in recipes:
        raise ConfigError(f"There is no recipe {name!r}; take one of {', '.join(sorted(recipes))}.")
    return recipes[name]
