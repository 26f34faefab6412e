"""Adapter folders of a tiny Falcon, written as a training writes them."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model
from transformers import FalconForCausalLM

from core.settings import POCKET_FOLDER
from falcon.base_identity import identify
from tests.falcon.tiny_falcon import tiny_falcon
from trainer.adapters.curves import Curves
from trainer.adapters.folder import Metrics, write_adapter
from trainer.adapters.record import TrainingRecord

CURVES = Curves(train=((1, 4.0), (2, 3.0), (3, 2.5)), validation=((0, 4.5), (2, 2.75), (3, 2.875)))
DATA_HASH = "c0ffee" * 10 + "beef"


def write_speaking_falcon(folder: Path) -> Path:
    """Write a tiny Falcon with the pocket's tokenizer, which decoding needs, and return the folder.

    The adapters of `tiny_falcon` fit it: only its embeddings are others.
    """
    config = tiny_falcon().config
    config.update({"vocab_size": 8192, "eos_token_id": 0, "bos_token_id": 0, "pad_token_id": 1})
    FalconForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(POCKET_FOLDER / name, folder / name)
    return folder


def record_for(base: Path, **changes: Any) -> TrainingRecord:
    """Return a record of a training on the model folder `base`."""
    values: dict[str, Any] = {
        "run_id": "01JDRUN",
        "created_at": datetime(2026, 11, 25, 12, 30, tzinfo=UTC),
        "base": identify(str(base), base),
        "config": {
            "lora": {"r": 4, "lora_alpha": 8},
            "optimizer": {"lr": 0.0002, "betas": (0.9, 0.999)},
            "loop": {"epochs": 2.0},
            "data": {"sources": [{"kind": "seed"}, {"kind": "rated", "weight": 2.0}]},
        },
        "data_hash": DATA_HASH,
        "data": {"train pairs": 90, "validation pairs": 10, "dropped": {"repeats": 3}},
        "curves": CURVES,
        "run": {"steps": 3, "seconds": 1.25},
    }
    return TrainingRecord(**{**values, **changes})


def save_tiny_lora(folder: Path) -> None:
    """Write random LoRA weights as peft does."""
    lora = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(tiny_falcon(), lora).save_pretrained(str(folder))


def write_tiny_adapter(
    output: Path, base: Path, *, evaluate: Callable[[Path], Metrics] | None = None, **changes: Any
) -> Path:
    """Write the whole folder and return it."""
    write_adapter(output, record_for(base, **changes), save_tiny_lora, evaluate=evaluate)
    return output
