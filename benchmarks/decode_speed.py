"""Measure the speed of plain beam search: one request and many, in bf16, NF4 and int8, ours and transformers'."""

import statistics
from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.decode_models import NUM_BEAMS, Models, Row, weight_bytes
from benchmarks.decode_runs import (
    PROMPT_TOKENS,
    generate_seconds,
    guarded,
    random_prompts,
    random_requests,
    run_batch,
    shortest,
    warm_up,
)

LIMIT_MS = 4.66  # to read Falcon-7B's weights in bf16 once, at the 2.97 TB/s that an H100 copies at


def measure_one(models: Models) -> Iterator[tuple[str, Row]]:
    """Yield the engine's and transformers' time for one request, interleaved."""
    setting = models.setting
    engine, peer = models.engine("bf16"), models.peer("bf16")
    requests, prompts = random_requests(1), random_prompts(1)
    warm_up(engine, requests)
    generate_seconds(peer, prompts, setting)
    ours, theirs, written = [], [], []
    for _ in range(setting.num_repeats):
        for _ in range(3):  # it takes a fraction of the peer's time
            run = run_batch(engine, requests)
            ours.append(run.seconds)
            written.append(shortest(run))
        theirs.append(generate_seconds(peer, prompts, setting))
    step_ms = 1000 * statistics.median(ours) / setting.num_new_tokens
    row = {**_one_row(ours, setting.num_new_tokens), "shortest": min(written)}
    if setting.shape == "7b" and _is_h100(setting.device):
        row |= {"limit_ms": LIMIT_MS, "share_of_limit": round(LIMIT_MS / step_ms, 3)}
    yield f"engine 1x{NUM_BEAMS}", row
    ratio = statistics.median(theirs) / statistics.median(ours)
    yield f"transformers 1x{NUM_BEAMS}", {**_one_row(theirs, setting.num_new_tokens), "times_ours": round(ratio, 2)}


def _is_h100(device: torch.device) -> bool:
    return device.type == "cuda" and "H100" in torch.cuda.get_device_name(device)


def _one_row(seconds: list[float], num_new_tokens: int) -> Row:
    median = statistics.median(seconds)
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "new_tokens": num_new_tokens,
        "runs": len(seconds),
        "seconds": round(median, 4),
        "step_ms": round(1000 * median / num_new_tokens, 3),
        "best_step_ms": round(1000 * min(seconds) / num_new_tokens, 3),
        "worst_step_ms": round(1000 * max(seconds) / num_new_tokens, 3),
    }


def measure_many(models: Models) -> Iterator[tuple[str, Row]]:
    """Yield requests a second of growing batches."""
    for size in models.setting.batches(8, 32, 64, 128):
        yield f"engine {size}x{NUM_BEAMS}", guarded(partial(_engine_row, models, "bf16", size))
    for size in models.setting.batches(8, 128):
        yield f"transformers {size}x{NUM_BEAMS}", guarded(partial(_peer_row, models, "bf16", size))


def measure_nf4(models: Models) -> Iterator[tuple[str, Row]]:
    """Yield the speed and size of 4-bit weights."""
    for size in models.setting.batches(1, 8):
        yield f"engine nf4 {size}x{NUM_BEAMS}", guarded(partial(_engine_row, models, "nf4", size))
        yield f"transformers nf4 {size}x{NUM_BEAMS}", guarded(partial(_peer_row, models, "nf4", size))


def measure_int8(models: Models) -> Iterator[tuple[str, Row]]:
    """Yield the speed and size of 8-bit weights."""
    for size in models.setting.batches(1, 8, 128):
        yield f"engine int8 {size}x{NUM_BEAMS}", guarded(partial(_engine_row, models, "int8", size))


def _engine_row(models: Models, precision: str, size: int) -> Row:
    """Return the medians of batches of `size` requests that are submitted at once and wait for the last."""
    engine, requests = models.engine(precision), random_requests(size)
    warm_up(engine, requests)
    runs = [run_batch(engine, requests) for _ in range(models.setting.num_repeats)]
    row = _many_row([run.seconds for run in runs], size, models.setting.num_new_tokens)
    return {
        **row,
        "batch_step_ms": round(statistics.median(run.step_ms for run in runs), 3),
        "steps": runs[-1].num_steps,
        "shortest": min(map(shortest, runs)),
        "weight_bytes": weight_bytes(models.weights(precision)),
    }


def _peer_row(models: Models, precision: str, size: int) -> Row:
    peer, prompts = models.peer(precision), random_prompts(size)
    generate_seconds(peer, prompts, models.setting)
    seconds = [generate_seconds(peer, prompts, models.setting) for _ in range(min(3, models.setting.num_repeats))]
    row = _many_row(seconds, size, models.setting.num_new_tokens)
    return {**row, "weight_bytes": weight_bytes(peer)}


def _many_row(seconds: list[float], size: int, num_new_tokens: int) -> Row:
    """Return the figures of batches; `step_ms` is the whole time over the tokens of one text."""
    median = statistics.median(seconds)
    return {
        "runs": len(seconds),
        "seconds": round(median, 4),
        "requests_per_second": round(size / median, 2),
        "step_ms": round(1000 * median / num_new_tokens, 3),
    }
