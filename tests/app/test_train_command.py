"""`mjprompt train` as a process: the pocket model from a data file to an adapter, its words and its exit statuses."""

import asyncio
import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.settings import POCKET_FOLDER
from tests.app.commands import Mjprompt
from tests.trainer.invented_data import midjourney_rows

CLI = "app.cli"
MAX_SECONDS = 180.0
RECIPE = """
[data]
validation_share = 0.1
max_validation_pairs = 8

[[data.sources]]
kind = "rated"

[tokens]
max_document_tokens = 160
block_tokens = 512
is_packed = true

[lora]
r = 8
lora_alpha = 16

[optimizer]
lr = 0.003

[loop]
epochs = 1.0
tokens_per_step = 1024
evaluate_every_steps = 2
save_every_steps = 1
patience = 10
max_steps = {max_steps}

[memory]
precision = "fp32"

[evaluation]
num_subjects = 1
"""


@pytest.fixture
def trainer(new_mjprompt: Mjprompt) -> Mjprompt:
    """The command line in a folder with a small data file."""
    write_recipe(new_mjprompt.folder, max_steps=3)
    with (new_mjprompt.folder / "prompts.csv").open("w", encoding="utf-8") as lines:
        lines.writelines(["text\n", *(f'"{row}"\n' for row in midjourney_rows()[:80])])
    return new_mjprompt


def write_recipe(folder: Path, *, max_steps: int) -> None:
    (folder / "recipe.toml").write_text(RECIPE.format(max_steps=max_steps), encoding="utf-8")


OPTIONS = ("--config", "recipe.toml", "--data", "prompts.csv", "--output", "adapters/mine", "--tracker", "none")
ENVIRONMENT = {
    "MODEL_ID": str(POCKET_FOLDER),
    "LOG_LEVEL": "INFO",
    "OMP_NUM_THREADS": "1",
    "TORCHDYNAMO_DISABLE": "1",  # bitsandbytes compiles for backends that are not used here, two seconds a start
}


def state_of(mjprompt: Mjprompt) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(mjprompt.database_file)) as connection:
        return connection.execute("SELECT state, step FROM training_runs").fetchall()


async def test_pocket_model_is_trained_from_a_file_to_an_adapter_that_answers(trainer: Mjprompt) -> None:
    async with trainer.running("train", *OPTIONS, "--json", module=CLI, **ENVIRONMENT) as run:
        stdout, stderr = await asyncio.wait_for(run.process.communicate(), MAX_SECONDS)
    assert run.process.returncode == 0, stderr.decode()
    report = json.loads(stdout)
    adapter = trainer.folder / "adapters" / "mine"
    assert report["adapter"] == str(adapter)
    assert (report["step"], report["num_steps"], report["is_stopped"]) == (3, 3, False)
    losses = {name: found["likelihood"]["nats_per_token"] for name, found in report["metrics"].items()}
    assert losses["candidate"] < losses["base"] - 0.1
    assert {"adapter_model.safetensors", "adapter_config.json", "training.json", "README.md", "SHA256SUMS"} <= {
        file.name for file in adapter.iterdir()
    }
    assert state_of(trainer) == [("done", 3)]
    events = [json.loads(line)["event"] for line in stderr.decode().splitlines() if line.startswith("{")]
    assert {"data.loaded", "train.model_ready", "train.step", "train.evaluation", "adapter.written"} <= set(events)


async def test_sigterm_saves_and_exits_with_its_number_in_words_for_people(trainer: Mjprompt) -> None:
    write_recipe(trainer.folder, max_steps=30)
    async with trainer.running("train", *OPTIONS, module=CLI, **ENVIRONMENT) as run:
        assert run.process.stderr is not None
        while b'"event": "train.step"' not in await run.process.stderr.readline():
            pass
        run.process.send_signal(signal.SIGTERM)
        ended = await run.ends()
    assert ended.status == 128 + signal.SIGTERM
    assert "`mjprompt train --resume` goes on." in ended.stdout
    ((state, step),) = state_of(trainer)
    assert (state, step > 0) == ("stopped", True)
    saved = sorted((trainer.folder / "adapters" / "mine.checkpoints").iterdir())
    assert saved[-1].name == f"step-{step:08d}"
