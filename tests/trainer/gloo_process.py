"""One of two processes that train a toy together over gloo; writes what it ended with. Arguments: folder."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from tests.trainer.test_loop import Notes, StopAfter
from tests.trainer.toy_learner import ToyLearner, toy_config, toy_set
from trainer.loop import train
from trainer.run.checkpoints import CheckpointStore
from trainer.tokens import Document

RANK = int(os.environ["RANK"])


class SmallOnRankOne(ToyLearner):
    """Runs out of memory above 20 tokens, but only on the second process."""

    def loss(self, documents: Sequence[Document]) -> Tensor:
        if RANK == 1 and sum(map(len, documents)) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().loss(documents)


def main() -> None:
    folder = Path(sys.argv[1])
    accelerator = Accelerator(cpu=True)
    results: dict[str, object] = {"processes": accelerator.num_processes}
    for name, learner, stop_after in (
        ("whole", ToyLearner(share=0.2), float("inf")),
        ("small", SmallOnRankOne(share=0.0), float("inf")),
        ("stopped", ToyLearner(share=0.2), 4.0 if RANK == 1 else float("inf")),
    ):
        notes = Notes()
        outcome = train(
            learner,
            toy_set(),
            toy_config(loop__epochs=1.0),
            accelerator=accelerator,
            store=CheckpointStore(folder / name, identity="toy"),
            watcher=notes,
            stop=StopAfter(stop_after),
        )
        results[name] = {
            "table": learner.weights()["table"].tolist(),
            "validation": outcome.validation_curve,
            "num_tokens": outcome.num_tokens,
            "own_tokens": sum(learner.sizes),
            "step": outcome.step,
            "heard": len(notes.steps),
            "largest": max(learner.sizes),
        }
    (folder / f"{RANK}.json").write_text(json.dumps(results), encoding="utf-8")
    accelerator.end_training()


if __name__ == "__main__":
    main()
