"""A whole training of a tiny Falcon on invented prompts: its settings, its data file and its database."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings, load_settings
from tests.trainer.invented_data import midjourney_rows

RECIPE = """
[data]
validation_share = 0.2
max_validation_pairs = 16

[[data.sources]]
kind = "rated"

[tokens]
max_document_tokens = 128
block_tokens = 512
is_packed = true

[lora]
r = 2
lora_alpha = 4
lora_dropout = 0.1

[optimizer]
lr = 0.01

[loop]
epochs = 1.0
tokens_per_step = 1024
evaluate_every_steps = 3
save_every_steps = 2
patience = 50

[memory]
precision = "fp32"

[evaluation]
num_subjects = 0
"""


@dataclass(frozen=True, slots=True)
class TinyTraining:
    """Where everything lies."""

    folder: Path
    settings: Settings
    recipe: Path
    data: Path

    @property
    def database_file(self) -> Path:
        return self.folder / "mjprompt.db"


def tiny_training(folder: Path, *, model: Path, migrated_file: Path, rows: Iterable[str] | None = None) -> TinyTraining:
    """Write settings, data and database into `folder`."""
    shutil.copy(migrated_file, folder / "mjprompt.db")
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    with (folder / "prompts.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"text": row}) + "\n" for row in rows or midjourney_rows()[:120])
    settings = load_settings(
        _env_file=None,
        database_url=f"sqlite+aiosqlite:///{folder / 'mjprompt.db'}",
        model_id=str(model),
        adapter=None,
        precision="fp32",
    )
    return TinyTraining(folder, settings, folder / "recipe.toml", folder / "prompts.jsonl")
