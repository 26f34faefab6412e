"""A training that shares a GPU with whoever started it: it trains while it is told to, and says what each step did.

    python -m benchmarks.sharing_training DATA --folder CHECKPOINT --precision nf4

Lines on standard input: `train SHARE` (of the time, 0 to 1; it rests after each micro-batch for the remainder),
`rest`, `end`. Lines on standard output are JSON: one when it is ready, one an optimizer step.
"""

import argparse
import json
import queue
import sys
import threading
import time
from functools import partial
from itertools import cycle
from pathlib import Path

import torch

from benchmarks.train_ours import WARMUP_STEPS, make_stepper, memory_row, packed_steps, prepare, synchronize
from benchmarks.train_setting import Setting, load_documents
from core.logs import configure_logs
from trainer.breather import Breather

NUM_STEPS = 40  # of different blocks, over and over


def main() -> None:
    """Obey until told to end."""
    arguments = _arguments()
    configure_logs(level="WARNING", form="json")
    setting = Setting(
        shape=arguments.shape,
        folder=arguments.folder,
        data=arguments.data,
        device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        block_tokens=arguments.block_tokens,
        num_steps=NUM_STEPS,
        epoch_documents=0,
    )
    trainable, load_seconds = prepare(setting, precision=arguments.precision)
    documents, _ = load_documents(setting, "midjourney")
    breather = Breather(settle=partial(synchronize, setting.device))
    stepper = make_stepper(trainable, documents, setting, breathe=breather)
    steps = packed_steps(documents, setting, num_steps=NUM_STEPS)
    for number in range(WARMUP_STEPS):
        stepper.step(steps[number], number=number, lr=1e-4)
    _say({"is_ready": True, "load_seconds": round(load_seconds, 1), **memory_row(trainable)})
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda: [told.put(line.strip()) for line in sys.stdin], daemon=True).start()
    order = "rest"
    for number, blocks in enumerate(cycle(steps)):
        while order == "rest" or not told.empty():
            order = told.get()
        if order == "end":
            return
        breather.share = float(order.split()[1])
        result = stepper.step(blocks, number=number, lr=1e-4)
        _say({"ended_at": time.monotonic(), "tokens": result.num_tokens, **memory_row(trainable)})


def _say(row: dict[str, object]) -> None:
    print(json.dumps(row), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--shape", choices=("7b", "tiny"), default="7b")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--precision", choices=("nf4", "bf16", "fp32"), default="nf4")
    parser.add_argument("--block-tokens", type=int, default=8192)
    return parser.parse_args()


if __name__ == "__main__":
    main()
