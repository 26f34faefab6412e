"""One GPU that serves and trains: what does each cost the other, what does both need, and how long does a swap take?

    python -m benchmarks.sharing DATA [--shape 7b|tiny] [--parts bf16,nf4] [--quick]

A child process trains (NF4 base, QLoRA) at Falcon-7B's shape with random weights, as the product's does, while this
process serves requests as long as real prompts that come when they come. Each part is one precision of serving:

  alone     the engine alone, then the training alone
  together  both, the training at full pace and with rests (`share` is the time that it works)
  swap      an adapter is verified and loaded while requests run, with the training beside them

Prints JSON lines, and a table at the end of each part.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.decode import render_table
from benchmarks.decode_adapters import write_adapter
from benchmarks.decode_arrivals import Traffic, arrival_times, drive
from benchmarks.decode_models import Models, Row, Setting
from benchmarks.decode_runs import RealPrompt, num_steps, random_requests, real_prompts, warm_up
from benchmarks.machine import describe_machine
from benchmarks.train_setting import Setting as TrainSetting
from benchmarks.train_setting import ensure_checkpoint
from core.logs import configure_logs
from falcon.adapter_files import ADAPTER_WEIGHTS
from falcon.engine import Engine, EngineRequest
from falcon.memory import GIB

RATES = (4.0, 20.0)  # requests a second
SHARES = (1.0, 0.5, 0.25)  # of the time that the training works
SECONDS, QUICK_SECONDS = 10.0, 2.0
CHAMPION, CHALLENGER = "champion", "challenger"
SWAP_AT_SECONDS, SWAP_RATE = 3.0, 4.0


class Training:
    """The child process that trains; `rows` are what it said of its steps, with their ends on this machine's clock."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.ready = self._line()

    def tell(self, order: str) -> None:
        """Say `train SHARE`, `rest` or `end`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()

    def rows_until(self, moment: float) -> list[dict[str, Any]]:
        """Return the steps up to the first one that ends after `moment`."""
        rows: list[dict[str, Any]] = []
        while not rows or rows[-1]["ended_at"] < moment:
            rows.append(self._line())
        return rows

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the training ended with status {self._process.wait()}")
        row: dict[str, Any] = json.loads(line)
        return row


@contextmanager
def training(arguments: argparse.Namespace, folder: Path) -> Iterator[Training]:
    """Start the child, and end it."""
    precision = "nf4" if torch.cuda.is_available() else "fp32"
    blocks = 512 if arguments.quick else 8192
    words = [str(arguments.data), "--shape", arguments.shape, "--folder", str(folder), "--precision", precision]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sharing_training", *words, "--block-tokens", str(blocks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Training(process)
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    configure_logs(level="WARNING", form="json")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    setting = Setting(shape=arguments.shape, data=arguments.data, device=device, is_quick=arguments.quick)
    folder = arguments.folder or Path(tempfile.gettempdir()) / f"random-falcon-{arguments.shape}"
    ensure_checkpoint(
        TrainSetting(
            shape=arguments.shape,
            folder=folder,
            data=arguments.data,
            device=device,
            block_tokens=0,
            num_steps=0,
            epoch_documents=0,
        )
    )
    machine = describe_machine()
    with training(arguments, folder) as trainer:
        for precision in arguments.parts.split(","):
            rows = []
            for what, row in _part(precision, setting, trainer):
                rows.append((what, row))
                common = {"shape": arguments.shape, "serving": precision, "machine": machine}
                print(json.dumps({"benchmark": "sharing", "what": what, **row, **common}), flush=True)
            print(render_table(f"serving in {precision}", rows), file=sys.stderr, flush=True)


def _part(precision: str, setting: Setting, trainer: Training) -> Iterator[tuple[str, Row]]:
    seconds = QUICK_SECONDS if setting.is_quick else SECONDS
    models = Models(setting)
    engine = models.engine(precision)
    warm_up(engine, random_requests(setting.num_seats))
    yield "memory", _memory_row(setting, trainer)
    yield "training alone", _training_alone(trainer, seconds)
    alone: dict[float, Row] = {}
    for rate in RATES:
        alone[rate], _ = _served(engine, setting, rate, seconds)
        yield f"serving alone {rate:g}/s", alone[rate]
    for rate in RATES:
        for share in SHARES:
            yield (
                f"both {rate:g}/s share {share:g}",
                _both(engine, setting, trainer, rate=rate, share=share, seconds=seconds, alone=alone[rate]),
            )
    yield "swap beside training", _swap(engine, setting, trainer, seconds)
    models.release()


def _memory_row(setting: Setting, trainer: Training) -> Row:
    row: Row = {
        "training_peak_gib": trainer.ready.get("peak_reserved_gib"),
        "load_seconds": trainer.ready["load_seconds"],
    }
    if setting.device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        row |= {
            "serving_gib": round(torch.cuda.memory_reserved() / GIB, 2),
            "both_gib": round((total - free) / GIB, 2),
            "total_gib": round(total / GIB, 2),
        }
    return row


def _training_alone(trainer: Training, seconds: float) -> Row:
    trainer.tell("train 1")
    trainer.rows_until(time.monotonic())  # what was begun before the order
    rows = trainer.rows_until(time.monotonic() + seconds)
    trainer.tell("rest")
    return {"training_tokens_per_second": _tokens_per_second(rows)}


def _both(
    engine: Engine, setting: Setting, trainer: Training, *, rate: float, share: float, seconds: float, alone: Row
) -> Row:
    trainer.tell(f"train {share}")
    trainer.rows_until(time.monotonic())  # what was begun before the order
    row, _ = _served(engine, setting, rate, seconds)
    rows = trainer.rows_until(time.monotonic())
    trainer.tell("rest")
    ratio = float(str(row["p95_seconds"])) / float(str(alone["p95_seconds"]))
    return {**row, "p95_ratio": round(ratio, 2), "training_tokens_per_second": _tokens_per_second(rows[:-1])}


def _tokens_per_second(rows: Sequence[dict[str, Any]]) -> int | None:
    """Return the speed between the first step's end and the last one's; None of fewer than two steps."""
    if len(rows) < 2:
        return None
    return round(sum(row["tokens"] for row in rows[1:]) / (rows[-1]["ended_at"] - rows[0]["ended_at"]))


def _served(
    engine: Engine, setting: Setting, rate: float, seconds: float, *, adapter: str | None = None, **options: Any
) -> tuple[Row, Traffic]:
    """Serve requests that arrive at `rate` for so many seconds, and return what people would see of it."""
    times = arrival_times(rate, seconds)
    prompts = real_prompts(setting, len(times))
    arrivals = [
        (at, _request(number, prompt, adapter)) for number, (at, prompt) in enumerate(zip(times, prompts, strict=True))
    ]
    before, started = num_steps(engine), time.monotonic()
    traffic = drive(engine, arrivals, **options)
    elapsed = time.monotonic() - started
    quantiles = statistics.quantiles(traffic.seconds, n=20)
    row: Row = {
        "requests": len(arrivals),
        "failed": len(arrivals) - len(traffic.seconds),
        "p50_seconds": round(statistics.median(traffic.seconds), 4),
        "p95_seconds": round(quantiles[18], 4),
        "max_seconds": round(max(traffic.seconds), 4),
        "written_tokens_per_second": round(sum(prompt.num_new_tokens for prompt in prompts) / elapsed),
        "step_ms": round(1000 * statistics.median(traffic.step_seconds), 2),
        "steps": num_steps(engine) - before,
    }
    return row, traffic


def _request(number: int, prompt: RealPrompt, adapter: str | None) -> EngineRequest:
    return EngineRequest(
        id=f"{time.monotonic_ns()}-{number}",
        prompt=prompt.tokens,
        max_new_tokens=prompt.num_new_tokens,
        adapter=adapter,
    )


def _swap(engine: Engine, setting: Setting, trainer: Training, seconds: float) -> Row:
    """Verify and load a second adapter between two steps, while requests by a first one and the training run."""
    adapters, swapped = engine.model.adapters, {}
    with tempfile.TemporaryDirectory() as scratch:
        for seed, name in enumerate((CHAMPION, CHALLENGER)):
            write_adapter(Path(scratch) / name, setting, seed)
        adapters.load(CHAMPION, Path(scratch) / CHAMPION)
        weights = Path(scratch) / CHALLENGER / ADAPTER_WEIGHTS
        mib = weights.stat().st_size / 2**20

        def between(now: float) -> None:
            if now < min(SWAP_AT_SECONDS, seconds / 2) or swapped:
                return
            started = time.monotonic()
            adapters.load(CHALLENGER, weights.parent)
            swapped["load_seconds"] = round(time.monotonic() - started, 4)

        started = time.monotonic()  # the product does this beside the engine, in a thread
        with weights.open("rb") as file:
            hashlib.file_digest(file, "sha256")
        verify_seconds = time.monotonic() - started
        trainer.tell("train 0.5")
        row, traffic = _served(engine, setting, SWAP_RATE, seconds, adapter=CHAMPION, between=between)
        first, _ = _served(engine, setting, SWAP_RATE, min(seconds, 2.0), adapter=CHALLENGER)
        trainer.tell("rest")
        for name in (CHAMPION, CHALLENGER):
            adapters.unload(name)
    return {
        **row,
        "adapter_mib": round(mib),
        "verify_seconds": round(verify_seconds, 3),
        "load_between_steps_seconds": swapped["load_seconds"],
        "longest_step_seconds": round(max(traffic.step_seconds), 4),
        "p50_after_seconds": first["p50_seconds"],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", default="bf16,nf4", help="comma list of how the engine serves")
    parser.add_argument("--shape", choices=("7b", "tiny"), default="7b")
    parser.add_argument("--folder", type=Path, help="where the training's checkpoint is written (default: in /tmp)")
    parser.add_argument("--quick", action="store_true", help="short traffic: only shows that it works")
    return parser.parse_args()


if __name__ == "__main__":
    main()
