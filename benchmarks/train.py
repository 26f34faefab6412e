"""Measure fine-tuning at Falcon-7B's true shape: ours, the usual recipe beside it, and the seed's own.

    python -m benchmarks.train DATA --parts check,limits,nf4,bf16 [--shape tiny] [--folder FOLDER]

DATA is the folder of prompts and tokenizer. The random checkpoint is written to FOLDER once. Parts:

    check   fused attention and compiled kernels against float32 on the CPU
    limits  what the device can do: a large matrix product, a copy
    nf4     QLoRA on all four projections, eager and compiled
    bf16    LoRA on all four projections, eager and compiled
    cap10   an epoch under a cap of 10 GiB, NF4        cap6  the same under 6 GiB
    start   from the start of a process to its first optimizer step, NF4 and bf16
    peer    transformers + peft + bitsandbytes, NF4: padded prompts, and 16 x 512 tokens without any padding
    peer16  the same in bf16
    theirs  how long transformers' own loading to NF4 takes
    seed    the seed's recipe as its notebook runs it, in our loop, and ours: on its own pairs and on Midjourney prompts
    profile where a step's time goes, NF4 and bf16

Prints a JSON line a row. Tokens a second are real ones: padding is not counted.
"""

import argparse
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from benchmarks.machine import describe_machine
from benchmarks.train_check import check_device
from benchmarks.train_ours import (
    SEED_LORA,
    Row,
    measure_epoch,
    measure_single,
    measure_speed,
    memory_cap,
    prepare,
    release,
    synchronize,
)
from benchmarks.train_peer import PEER_ROWS, filled_batches, measure_peer, padded_batches, prepare_peer
from benchmarks.train_profile import profile_step
from benchmarks.train_setting import Setting, ensure_checkpoint, load_documents
from core.logs import configure_logs
from falcon.loading import count_four_bit, load_base

FIRST_STEP_DOCUMENTS = 100  # about one block
PARAMETERS = 6_921_720_704  # of Falcon-7B
SOURCES = ("seed", "midjourney")


def main() -> None:
    """Run the parts that were asked for, in their order."""
    arguments = _arguments()
    configure_logs(level="WARNING", form="json")  # standard output is for the rows
    setting = _setting(arguments)
    if arguments.first_step:
        _first_step(setting, arguments.first_step)
        return
    parts = list(PARTS) if arguments.parts == "all" else arguments.parts.split(",")
    versions = {name: version(name) for name in ("peft", "bitsandbytes", "accelerate")}
    _print("machine", {**describe_machine(), **versions, "shape": setting.shape, "block_tokens": setting.block_tokens})
    _print("checkpoint", {"seconds": round(ensure_checkpoint(setting), 1)})
    for part in parts:
        started = time.monotonic()
        try:
            for name, row in PARTS[part](setting):
                _print(name, row)
        except Exception as error:  # the other parts still have their time
            traceback.print_exc()
            _print(part, {"error": f"{type(error).__name__}: {error}"[:300]})
        _print("part", {"part": part, "seconds": round(time.monotonic() - started, 1)})


def _check(setting: Setting) -> Iterator[tuple[str, Row]]:
    yield "check", check_device(setting.device)


def _limits(setting: Setting) -> Iterator[tuple[str, Row]]:
    size = 8192 if setting.device.type == "cuda" else 512
    matrix = torch.randn(size, size, dtype=torch.bfloat16, device=setting.device)
    product = _seconds(lambda: matrix @ matrix, setting)
    copied = matrix.repeat(8, 1)
    copy = _seconds(copied.clone, setting)
    flops = 2 * size**3 / product
    row: Row = {"bf16_tflops": round(flops / 1e12, 1), "copy_tb_per_second": round(2 * copied.nbytes / copy / 1e12, 2)}
    row["falcon_7b_tokens_per_second"] = round(flops / (4 * PARAMETERS))
    row["falcon_7b_tokens_per_second_checkpointed"] = round(flops / (6 * PARAMETERS))
    yield "limits", row


def _speed(precision: str) -> Callable[[Setting], Iterator[tuple[str, Row]]]:
    def run(setting: Setting) -> Iterator[tuple[str, Row]]:
        documents, _ = load_documents(setting, "midjourney")
        trainable, seconds = prepare(setting, precision=precision)
        for is_compiled in (False, True):
            row = measure_speed(trainable, documents, setting, is_compiled=is_compiled)
            yield (
                f"ours {precision} {'compiled' if is_compiled else 'eager'}",
                {**row, "load_seconds": round(seconds, 1)},
            )

    return run


def _capped(gib: float) -> Callable[[Setting], Iterator[tuple[str, Row]]]:
    def run(setting: Setting) -> Iterator[tuple[str, Row]]:
        documents, _ = load_documents(setting, "midjourney")
        with memory_cap(gib, setting.device):
            trainable, _ = prepare(setting, precision="auto" if setting.device.type == "cuda" else "nf4")
            row = measure_epoch(trainable, documents[: setting.epoch_documents], setting)
        yield f"ours under {gib} GiB", {**row, "reason": trainable.plan.reason}

    return run


def _start(setting: Setting) -> Iterator[tuple[str, Row]]:
    for precision in ("nf4", "bf16"):
        command = [sys.executable, "-m", "benchmarks.train", *_as_arguments(setting), "--first-step", precision]
        started = time.monotonic()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        row = json.loads(done.stdout.strip().splitlines()[-1])
        yield f"start {precision}", {**row, "whole_process_seconds": round(time.monotonic() - started, 1)}


def _first_step(setting: Setting, precision: str) -> None:
    """Be the process that `start` measures: seconds since it was born, at each stage."""
    born = psutil.Process().create_time()
    marks: Row = {"imported_seconds": round(time.time() - born, 1)}
    documents, _ = load_documents(setting, "midjourney")
    marks["documents_seconds"] = round(time.time() - born, 1)
    trainable, _ = prepare(setting, precision=precision)
    marks["model_seconds"] = round(time.time() - born, 1)
    row = measure_epoch(trainable, documents[:FIRST_STEP_DOCUMENTS], setting)
    print(json.dumps({**marks, "first_step_seconds": round(time.time() - born, 1), "precision": row["precision"]}))


def _peer(precision: str) -> Callable[[Setting], Iterator[tuple[str, Row]]]:
    def run(setting: Setting) -> Iterator[tuple[str, Row]]:
        documents, _ = load_documents(setting, "midjourney")
        model = prepare_peer(setting, precision=precision)
        padded = padded_batches(documents, rows=PEER_ROWS)
        yield f"peer {precision} padded", measure_peer(model, padded, setting)
        yield f"peer {precision} without padding", measure_peer(model, filled_batches(documents), setting)

    return run


def _their_loading(setting: Setting) -> Iterator[tuple[str, Row]]:
    release()
    started = time.monotonic()
    model = load_base(setting.folder, "nf4", setting.device)
    synchronize(setting.device)
    yield "transformers' loading", {"seconds": round(time.monotonic() - started, 1), "layers": count_four_bit(model)}


def _seed(setting: Setting) -> Iterator[tuple[str, Row]]:
    documents = {source: load_documents(setting, source)[0] for source in SOURCES}
    model = prepare_peer(setting, precision="nf4", target_modules=["query_key_value"])
    for source, some in documents.items():
        row = measure_peer(model, padded_batches(some, rows=1), setting, accumulate=4)
        yield f"seed's notebook on {source}", row
    del model
    trainable, _ = prepare(setting, precision="nf4", lora=SEED_LORA)
    for source, some in documents.items():
        yield f"seed's recipe in our loop on {source}", measure_single(trainable, some, setting)
    del trainable
    trainable, _ = prepare(setting, precision="auto")
    for source, some in documents.items():
        measure_epoch(trainable, some[: 2 * PEER_ROWS], setting)  # warm-up
        yield f"ours on {source}", measure_epoch(trainable, some[: 5 * setting.epoch_documents], setting)


def _profile(setting: Setting) -> Iterator[tuple[str, Row]]:
    documents, _ = load_documents(setting, "midjourney")
    for precision in ("nf4", "bf16"):
        trainable, _ = prepare(setting, precision=precision)
        yield f"profile {precision}", profile_step(trainable, documents, setting)
        del trainable


PARTS: dict[str, Callable[[Setting], Iterator[tuple[str, Row]]]] = {
    "check": _check,
    "limits": _limits,
    "nf4": _speed("nf4"),
    "bf16": _speed("bf16"),
    "cap10": _capped(10),
    "cap6": _capped(6),
    "start": _start,
    "peer": _peer("nf4"),
    "peer16": _peer("bf16"),
    "theirs": _their_loading,
    "seed": _seed,
    "profile": _profile,
}


def _seconds(work: Callable[[], object], setting: Setting, *, repeats: int = 10) -> float:
    """Return the mean seconds of `work`."""
    for _ in range(3):
        work()
    synchronize(setting.device)
    started = time.monotonic()
    for _ in range(repeats):
        work()
    synchronize(setting.device)
    return (time.monotonic() - started) / repeats


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", default="all", help="comma list, or all")
    parser.add_argument("--shape", choices=("7b", "tiny"), default="7b")
    parser.add_argument("--folder", type=Path, help="where the checkpoint is written (default: a folder in /tmp)")
    parser.add_argument("--block-tokens", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=6, help="measured steps of a row")
    parser.add_argument("--epoch-documents", type=int, default=2000, help="documents of an epoch under a cap")
    parser.add_argument("--first-step", help=argparse.SUPPRESS)
    return parser.parse_args()


def _setting(arguments: argparse.Namespace) -> Setting:
    return Setting(
        shape=arguments.shape,
        folder=arguments.folder or Path("/tmp") / f"random-falcon-{arguments.shape}",
        data=arguments.data,
        device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        block_tokens=arguments.block_tokens,
        num_steps=arguments.steps,
        epoch_documents=arguments.epoch_documents,
    )


def _as_arguments(setting: Setting) -> list[str]:
    return [
        str(setting.data),
        *("--shape", setting.shape),
        *("--folder", str(setting.folder)),
        *("--block-tokens", str(setting.block_tokens)),
    ]


def _print(name: str, row: Row) -> None:
    print(json.dumps({"benchmark": "train", "row": name, **row}), flush=True)


if __name__ == "__main__":
    main()
