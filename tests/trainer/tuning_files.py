"""Settings and prompts of a training that takes a second."""

from pathlib import Path

from tests.trainer.invented_data import midjourney_rows

CONFIG = """\
# A comment that stays.
[data]
validation_share = 0.2
max_validation_pairs = 8
seed = 0
[[data.sources]]
kind = "file"
id = "{data}"
[tokens]
max_document_tokens = 96
block_tokens = 256
is_packed = true
[lora]
r = 2
lora_alpha = 4
[optimizer]
lr = 1e-2
[loop]
epochs = 1.0
tokens_per_step = 512
evaluate_every_steps = 2
save_every_steps = 100
patience = 9
tracker = "none"
[memory]
precision = "fp32"
checkpointing = "off"
"""
SEARCH = """\
seed = 0
[space]
lr = [1e-3, 1e-1]
r = [2, 4]
lora_alpha = [4, 8]
epochs = [1.0]
[pruning]
startup_trials = 1
warmup_steps = 0
"""


def write_train_config(folder: Path, *, num_rows: int) -> Path:
    """Write so many invented prompts and the settings to train on them; return the settings' file."""
    data = folder / "prompts.csv"
    data.write_text("text\n" + "".join(f'"{row}"\n' for row in midjourney_rows()[:num_rows]), encoding="utf-8")
    file = folder / "train.toml"
    file.write_text(CONFIG.format(data=data), encoding="utf-8")
    return file


def write_search(folder: Path) -> Path:
    """Write a small search and return its file."""
    file = folder / "tune.toml"
    file.write_text(SEARCH, encoding="utf-8")
    return file
