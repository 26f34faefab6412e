"""Settings of a training: what ships, and what is refused with which words."""

import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.settings import PROJECT_ROOT
from tests.trainer.toy_learner import toy_config
from trainer.train_config import (
    FALCON_PROJECTIONS,
    LoraSettings,
    OptimizerConfig,
    SourceConfig,
    read_train_config,
    recipe_file,
    train_config_of,
)

RECIPES = ("cycle", "cycle_pocket", "default", "pocket", "seed")


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_recipe_can_be_read_and_comes_back_from_plain_values(name: str) -> None:
    config = read_train_config(recipe_file(name))
    assert train_config_of(asdict(config), where="row") == config
    assert config.blocks_per_step >= 1


def test_there_are_as_many_recipes_as_files() -> None:
    assert len(RECIPES) == len(list((PROJECT_ROOT / "configs").glob("train*.toml")))


def test_unknown_recipe_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ConfigError, match="There is no recipe 'best'; take one of cycle, cycle_pocket, default, pocket, seed"
    ):
        recipe_file("best")


def test_seed_recipe_is_the_seeds_own() -> None:
    """As its notebook has it: LoRA r 16, alpha 32, dropout 0.05 on query_key_value; 1 x 4; one epoch; 2e-4, cosine."""
    config = read_train_config(recipe_file("seed"))
    assert config.lora == LoraSettings(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=("query_key_value",))
    assert (config.loop.epochs, config.blocks_per_step, config.tokens.is_packed) == (1.0, 4, False)
    assert config.optimizer == OptimizerConfig(lr=2e-4, warmup_share=0.05, final_lr_share=0.0)
    assert config.data.sources == (SourceConfig(kind="seed"),)
    assert (config.memory.precision, config.memory.checkpointing) == ("nf4", "on")


def test_default_recipe_learns_on_all_four_projections_from_the_hub_and_from_votes() -> None:
    config = read_train_config(recipe_file("default"))
    assert config.lora.target_modules == ()
    assert [source.kind for source in config.data.sources] == ["hub", "seed", "rated"]
    assert config.data.sources[0].id == "succinctly/midjourney-prompts"


BAD_VALUES = [
    ("lora__r", 0, "r = 0 is out of range; set 1 to 1024."),
    ("lora__lora_alpha", 0, "lora_alpha = 0 is out of range"),
    ("lora__lora_dropout", 1.0, "lora_dropout = 1.0 is out of range"),
    ("lora__target_modules", ["lm_head"], "target_modules = 'lm_head' is out of range; take of query_key_value"),
    ("optimizer__lr", math.nan, "lr = nan is out of range; set more than 0, at most 1."),
    ("optimizer__lr", 0, "lr = 0.0 is out of range"),
    ("optimizer__lr", math.inf, "lr = inf is out of range"),
    ("optimizer__weight_decay", -0.1, "weight_decay = -0.1 is out of range"),
    ("optimizer__betas", [0.9, 1.0], "betas = 1.0 is out of range"),
    ("optimizer__warmup_share", 1.0, "warmup_share = 1.0 is out of range"),
    ("optimizer__final_lr_share", 1.5, "final_lr_share = 1.5 is out of range"),
    ("optimizer__max_grad_norm", math.nan, "max_grad_norm = nan is out of range"),
    ("loop__epochs", 0, "epochs = 0.0 is out of range"),
    ("loop__epochs", math.nan, "epochs = nan is out of range"),
    ("loop__patience", 0, "patience = 0 is out of range; set 1 or more."),
    ("loop__tokens_per_step", 65, "tokens_per_step = 65 is out of range; set a multiple of block_tokens = 32."),
    ("loop__max_steps", 0, "max_steps = 0 is out of range"),
    ("loop__seed", -1, "seed = -1 is out of range"),
    ("loop__is_compiled", "maybe", "is_compiled = 'maybe' must be one of auto, on, off."),
    ("tokens__max_document_tokens", 4096, "max_document_tokens = 4096 is out of range; set 8 to 2048."),
    ("tokens__block_tokens", 8, "block_tokens = 8 is out of range; set 12 or more."),
    ("loop__kept", "first", "kept = 'first' must be one of best, last."),
    ("objective__kind", "ppo", "kind = 'ppo' must be one of supervised, kto, dpo."),
    ("objective__beta", 0.0, "beta = 0.0 is out of range; set more than 0, at most 10."),
    ("objective__undesirable_weight", -1.0, "undesirable_weight = -1.0 is out of range; set 0 to 100."),
    ("objective__preference_weight", math.nan, "preference_weight = nan is out of range"),
    ("memory__precision", "int8", "precision = 'int8' must be one of auto, bf16, nf4, fp32."),
    ("data__sources", [], "sources is empty; name one source at least."),
    ("data__validation_share", 0.9, "validation_share = 0.9 is out of range"),
    ("data__max_validation_pairs", 0, "max_validation_pairs = 0 is out of range"),
    ("data__sources", [{"kind": "hub"}], "id is empty; name the data set of this source."),
    ("data__sources", [{"kind": "file"}], "id is empty; name the file of this source."),
    ("data__sources", [{"kind": "rated", "weight": math.nan}], "weight = nan is out of range"),
    ("data__sources", [{"kind": "seed", "subject_column": "User"}], "subject_column and prompt_column belong together"),
]


@pytest.mark.parametrize(("key", "value", "said"), BAD_VALUES)
def test_impossible_value_is_one_sentence_with_the_value_and_the_cure(key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        toy_config(**{key: value})
    assert said in str(caught.value)
    assert str(caught.value).startswith("toy")
    assert str(caught.value).endswith(".")


def test_dpo_needs_room_for_both_answers_in_a_block() -> None:
    assert toy_config(objective__kind="dpo").tokens.block_tokens == 32, "room for two documents of twelve"
    with pytest.raises(ConfigError, match=r'block_tokens = 32 is out of range; set 40 or more for kind = "dpo"\.'):
        toy_config(objective__kind="dpo", tokens__max_document_tokens=20)


def test_negative_number_of_subjects_is_refused() -> None:
    with pytest.raises(ConfigError, match="num_subjects = -1 is out of range"):
        replace(toy_config().evaluation, num_subjects=-1)


def test_unknown_key_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    text = recipe_file("default").read_text(encoding="utf-8")
    (tmp_path / "a.toml").write_text(text.replace("[lora]\n", "[lora]\nrank = 8\n"), encoding="utf-8")
    with pytest.raises(
        ConfigError, match="lora: unknown key 'rank'; the keys are lora_alpha, lora_dropout, r, target_"
    ):
        read_train_config(tmp_path / "a.toml")


def test_projections_are_falcons_four() -> None:
    assert len(FALCON_PROJECTIONS) == 4
