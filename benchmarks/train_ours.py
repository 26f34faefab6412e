"""Measure this project's own training: the product's model, batches and optimizer steps, timed from outside."""

import gc
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator

from benchmarks.train_setting import Setting
from falcon.loading import count_four_bit
from falcon.memory import GIB
from trainer.learner import FalconLearner
from trainer.optimizer_step import Stepper
from trainer.packing import plan_blocks, plan_single
from trainer.qlora import Trainable, prepare_model
from trainer.tokens import Document
from trainer.train_config import LoraSettings, MemoryConfig, OptimizerConfig, Switch

LORA = LoraSettings(r=16, lora_alpha=32)
SEED_LORA = LoraSettings(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=("query_key_value",))
OPTIMIZER = OptimizerConfig(lr=2e-4)
BLOCKS_PER_STEP, SEED_BLOCKS_PER_STEP = 2, 4
WARMUP_STEPS = 2
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Medians over steps: real tokens and documents a second, and the seconds of a step."""

    tokens_per_second: float
    documents_per_second: float
    step_seconds: float

    def as_row(self) -> Row:
        """Return the figures, rounded."""
        return {
            "tokens_per_second": round(self.tokens_per_second),
            "documents_per_second": round(self.documents_per_second, 2),
            "step_seconds": round(self.step_seconds, 4),
        }


def prepare(
    setting: Setting, *, precision: str, lora: LoraSettings = LORA, checkpointing: Switch = "auto"
) -> tuple[Trainable, float]:
    """Load the model as the product does; return it with the seconds that took."""
    release()
    started = time.monotonic()
    trainable = prepare_model(
        setting.folder,
        lora=lora,
        memory=MemoryConfig(precision=precision, checkpointing=checkpointing),  # type: ignore[arg-type]
        block_tokens=setting.block_tokens,
        device=setting.device,
    )
    synchronize(setting.device)
    return trainable, time.monotonic() - started


def measure_speed(trainable: Trainable, documents: Sequence[Document], setting: Setting, *, is_compiled: bool) -> Row:
    """Return the speed of whole optimizer steps (collation, copies, clipping and AdamW included), and the memory."""
    reset_peak()
    stepper = make_stepper(replace(trainable, is_compiled=is_compiled), documents, setting)
    steps = packed_steps(documents, setting, num_steps=WARMUP_STEPS + setting.num_steps)
    started = time.monotonic()
    timing = time_steps(stepper, steps, documents)
    return {
        **timing.as_row(),
        "tokens_per_step": BLOCKS_PER_STEP * setting.block_tokens,
        "seconds_with_warmup": round(time.monotonic() - started, 1),
        **memory_row(trainable),
    }


def measure_epoch(trainable: Trainable, documents: Sequence[Document], setting: Setting) -> Row:
    """Return the figures of one whole epoch over `documents`."""
    reset_peak()
    stepper = make_stepper(trainable, documents, setting)
    steps = packed_steps(documents, setting, num_steps=None)
    started = time.monotonic()
    results = [stepper.step(blocks, number=number, lr=OPTIMIZER.lr) for number, blocks in enumerate(steps)]
    seconds = time.monotonic() - started
    tokens = sum(result.num_tokens for result in results)
    return {
        "epoch_seconds": round(seconds, 1),
        "documents": len(documents),
        "documents_per_second": round(len(documents) / seconds, 2),
        "tokens_per_second": round(tokens / seconds),
        "num_parts": stepper.num_parts,
        "are_all_applied": all(result.is_applied for result in results),
        **memory_row(trainable),
    }


def measure_single(trainable: Trainable, documents: Sequence[Document], setting: Setting) -> Row:
    """Return the speed of the seed's recipe in our own loop: one document a micro-batch, four a step."""
    reset_peak()
    stepper = make_stepper(trainable, documents, setting)
    plan = plan_single(len(documents), torch.Generator().manual_seed(0))
    steps = grouped(plan, SEED_BLOCKS_PER_STEP)[: WARMUP_STEPS + 2 * setting.num_steps]
    return {**time_steps(stepper, steps, documents).as_row(), **memory_row(trainable)}


def make_stepper(
    trainable: Trainable, documents: Sequence[Document], setting: Setting, *, breathe: Callable[[], None] = lambda: None
) -> Stepper:
    """Return what takes the product's optimizer steps."""
    learner = FalconLearner(trainable, block_tokens=trainable.plan.block_tokens)
    learner.switch(is_training=True)
    return Stepper(
        learner,
        documents,
        OPTIMIZER,
        accelerator=Accelerator(cpu=setting.device.type == "cpu"),
        seed=0,
        num_parts=math.ceil(setting.block_tokens / trainable.plan.block_tokens),
        breathe=breathe,
    )


def packed_steps(documents: Sequence[Document], setting: Setting, *, num_steps: int | None) -> list[list[list[int]]]:
    """Return the blocks of each step, one epoch's or as many as `num_steps` takes."""
    lengths = [len(document) for document in documents]
    random = torch.Generator().manual_seed(0)
    steps = grouped(plan_blocks(lengths, setting.block_tokens, random), BLOCKS_PER_STEP)
    while num_steps is not None and len(steps) < num_steps:
        steps += grouped(plan_blocks(lengths, setting.block_tokens, random), BLOCKS_PER_STEP)
    return steps[:num_steps]


def grouped(blocks: list[list[int]], size: int) -> list[list[list[int]]]:
    """Return blocks in groups of `size`, the last one maybe shorter."""
    return [blocks[start : start + size] for start in range(0, len(blocks), size)]


def time_steps(stepper: Stepper, steps: Sequence[list[list[int]]], documents: Sequence[Document]) -> Timing:
    """Run all steps and return the medians of those after the warm-up."""
    speeds, document_speeds, seconds = [], [], []
    for number, blocks in enumerate(steps):
        started = time.monotonic()
        result = stepper.step(blocks, number=number, lr=OPTIMIZER.lr)  # ends with reading the loss: nothing is pending
        elapsed = time.monotonic() - started
        if number < WARMUP_STEPS:
            continue
        assert result.num_tokens == sum(len(documents[index]) for index in itertools.chain(*blocks))
        seconds.append(elapsed)
        speeds.append(result.num_tokens / elapsed)
        document_speeds.append(sum(map(len, blocks)) / elapsed)
    median = statistics.median
    return Timing(
        tokens_per_second=median(speeds), documents_per_second=median(document_speeds), step_seconds=median(seconds)
    )


def memory_row(trainable: Trainable) -> Row:
    """Return what was planned and what was taken, in GiB."""
    row: Row = {
        "precision": trainable.plan.precision,
        "is_checkpointed": trainable.plan.is_checkpointed,
        "micro_batch_tokens": trainable.plan.block_tokens,
        "four_bit_layers": count_four_bit(trainable.model),
        "planned_gib": round(trainable.plan.needed_bytes / GIB, 2),
    }
    if trainable.device.type == "cuda":
        row["peak_gib"] = round(torch.cuda.max_memory_allocated() / GIB, 2)
        row["peak_reserved_gib"] = round(torch.cuda.max_memory_reserved() / GIB, 2)
    return row


@contextmanager
def memory_cap(gib: float, device: torch.device) -> Iterator[None]:
    """Let the allocator take no more than `gib` of a GPU's memory."""
    if device.type != "cuda":
        yield
        return
    release()
    torch.cuda.set_per_process_memory_fraction(gib * GIB / torch.cuda.mem_get_info()[1])
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def release() -> None:
    """Give back the memory of what was measured before."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def reset_peak() -> None:
    """Begin to watch the peak of memory."""
    release()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()
