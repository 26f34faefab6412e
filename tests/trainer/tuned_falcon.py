"""Trains a tiny Falcon, as a function and as a process that can be killed. Arguments: model folder, checkpoints, step.

The process hangs after that step until it is killed, as one that is killed in the middle.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator

from tests.trainer.test_loop import Notes, StopAfter
from tests.trainer.toy_learner import toy_config
from trainer.learner import FalconLearner, make_trainable
from trainer.loop import train
from trainer.optimizer_step import StepResult
from trainer.preferences.examples import PreferredDocument, RatedDocument
from trainer.preferences.reference import with_references
from trainer.run.checkpoints import CheckpointStore
from trainer.tokens import Document
from trainer.training_set import TrainingSet

CONFIG = toy_config(
    lora__lora_dropout=0.1, optimizer__lr=0.01, loop__epochs=2.0, memory__precision="fp32", objective__kind="kto"
)


class HangingNotes(Notes):
    """Says each step on standard output, and comes back no more from the one that it is to be killed after."""

    def __init__(self, hangs_after: int) -> None:
        super().__init__()
        self._hangs_after = hangs_after

    def step(self, result: StepResult, *, step: int, lr: float, seconds: float) -> None:
        super().step(result, step=step, lr=lr, seconds=seconds)
        sys.stdout.write(f"{step}\n")
        sys.stdout.flush()
        while step == self._hangs_after:
            time.sleep(60)


def falcon_learner(folder: Path) -> FalconLearner:
    trainable = make_trainable(CONFIG, folder, torch.device("cpu"))
    return FalconLearner(trainable, block_tokens=32, objective=CONFIG.objective)


def falcon_set() -> TrainingSet:
    """Return documents of the tiny Falcon's words, and opinions on the last few."""
    generator = torch.Generator().manual_seed(0)
    documents = [Document([*torch.randint(2, 14, (8,), generator=generator).tolist(), 0], 3) for _ in range(24)]
    rated = [
        RatedDocument(document=document, is_liked=number % 2 == 0, usual_tokens=6.0)
        for number, document in enumerate(documents[14:18])
    ]
    preferred = PreferredDocument(chosen=documents[18], rejected=documents[19], usual_tokens=6.0)
    return TrainingSet(train=[*documents[:14], *rated, preferred], validation=documents[20:], num_validation_bytes=100)


def tune(folder: Path, checkpoints: Path, *, notes: Notes, is_resumed: bool = False) -> dict[str, torch.Tensor]:
    """Train, and return the adapter's weights."""
    learner, data = falcon_learner(folder), falcon_set()
    train(
        learner,
        replace(data, train=with_references(data.train, learner, block_tokens=32)),
        CONFIG,
        accelerator=Accelerator(cpu=True),
        store=CheckpointStore(checkpoints, identity="tiny"),
        watcher=notes,
        stop=StopAfter(),
        is_resumed=is_resumed,
    )
    return {name: weight.detach().clone() for name, weight in learner.parameters.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    tune(Path(sys.argv[1]), Path(sys.argv[2]), notes=HangingNotes(int(sys.argv[3])))
