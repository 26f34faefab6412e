"""Measure LoRA adapters: two that share a batch against one that is in the weights, and what changing them costs."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.decode_models import NUM_BEAMS, Models, Row, Setting, synchronize
from benchmarks.decode_runs import guarded, random_requests, run_batch, warm_up
from benchmarks.train_setting import SHAPES
from falcon.adapter_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from falcon.engine import Engine
from falcon.lora import PROJECTIONS

LORA_RANK = 16
FIRST, SECOND = "champion", "challenger"
SWAPPING = 16  # requests that decode while an adapter is changed


def measure_adapters(models: Models) -> Iterator[tuple[str, Row]]:
    """Yield mixed against merged batches, a swap between steps, and merging."""
    engine = models.engine("bf16")
    adapters = engine.model.adapters
    with tempfile.TemporaryDirectory() as scratch:
        folders = {
            name: write_adapter(Path(scratch) / name, models.setting, seed) for seed, name in enumerate((FIRST, SECOND))
        }
        for name, folder in folders.items():
            adapters.load(name, folder)
        try:
            yield from _measure_loaded(models, engine, folders[SECOND])
        finally:
            if adapters.merged is not None:
                engine.drop_all()
                engine.model.restore_weights()
            for name in adapters.names:
                adapters.unload(name)


def _measure_loaded(models: Models, engine: Engine, second: Path) -> Iterator[tuple[str, Row]]:
    sizes = models.setting.batches(1, 8, 128)
    mixed: dict[int, Row] = {}
    for size in sizes:
        mixed[size] = guarded(partial(_batch_row, models, engine, size, (FIRST, SECOND)))
        yield f"two adapters mixed {size}x{NUM_BEAMS}", mixed[size]
    yield f"swap beside {models.setting.batches(SWAPPING)[0]}x{NUM_BEAMS}", _swap_row(models, engine, second)
    seconds = _seconds(engine, lambda: engine.model.merge_adapter(FIRST))
    for size in sizes:
        row = guarded(partial(_batch_row, models, engine, size, (FIRST,)))
        both = [mixed[size].get("seconds"), row.get("seconds")]
        if all(isinstance(value, float) for value in both):
            row["mixed_over_merged"] = round(float(str(both[0])) / float(str(both[1])), 3)
        yield f"one adapter merged {size}x{NUM_BEAMS}", row
    restoring = _seconds(engine, engine.model.restore_weights)
    yield "merge and restore", {"merge_seconds": round(seconds, 3), "restore_seconds": round(restoring, 3)}


def _batch_row(models: Models, engine: Engine, size: int, adapters: Sequence[str]) -> Row:
    requests = random_requests(size, adapters)
    warm_up(engine, requests)
    runs = [run_batch(engine, requests) for _ in range(models.setting.num_repeats)]
    median = statistics.median(run.seconds for run in runs)
    return {
        "rank": LORA_RANK,
        "runs": len(runs),
        "seconds": round(median, 4),
        "requests_per_second": round(size / median, 2),
        "step_ms": round(1000 * median / models.setting.num_new_tokens, 3),
    }


def _swap_row(models: Models, engine: Engine, folder: Path) -> Row:
    """Return the longest time between two steps when one adapter is unloaded and loaded while others use another."""
    (size,) = models.setting.batches(SWAPPING)
    requests = random_requests(size, (FIRST,))
    warm_up(engine, requests)
    for request in requests:
        engine.submit(request)
    ends, swap_seconds = [time.monotonic()], 0.0
    while engine.num_inside:
        if len(ends) == models.setting.num_new_tokens // 2:
            swap_seconds = _seconds(engine, lambda: _swap(engine, folder))
        engine.step()
        ends.append(time.monotonic())
    # The first steps read prompts, which is not what a swap costs.
    gaps = [later - earlier for earlier, later in pairwise(ends[3:])]
    return {
        "rank": LORA_RANK,
        "swap_seconds": round(swap_seconds, 4),
        "longest_gap_seconds": round(max(gaps), 4),
        "usual_gap_seconds": round(statistics.median(gaps), 4),
    }


def _swap(engine: Engine, folder: Path) -> None:
    engine.model.adapters.unload(SECOND)
    engine.model.adapters.load(SECOND, folder)


def _seconds(engine: Engine, work: Callable[[], object]) -> float:
    """Return the seconds of `work`, the device's included."""
    device = engine.model.weights.device
    synchronize(device)
    started = time.monotonic()
    work()
    synchronize(device)
    return time.monotonic() - started


def write_adapter(folder: Path, setting: Setting, seed: int) -> Path:
    """Write a random LoRA adapter on all four projections as peft lays it out; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    random = torch.Generator().manual_seed(seed)
    hidden, heads = SHAPES[setting.shape]["hidden_size"], SHAPES[setting.shape]["num_attention_heads"]
    sizes = {
        "self_attention.query_key_value": (hidden, hidden + 2 * hidden // heads),
        "self_attention.dense": (hidden, hidden),
        "mlp.dense_h_to_4h": (hidden, 4 * hidden),
        "mlp.dense_4h_to_h": (4 * hidden, hidden),
    }
    tensors = {}
    for layer in range(SHAPES[setting.shape]["num_hidden_layers"]):
        for name, (inputs, outputs) in sizes.items():
            place = f"base_model.model.transformer.h.{layer}.{name}"
            for half, shape in (("A", (LORA_RANK, inputs)), ("B", (outputs, LORA_RANK))):
                values = torch.randn(shape, generator=random) * 0.01
                tensors[f"{place}.lora_{half}.weight"] = values.bfloat16()
    save_file(tensors, folder / ADAPTER_WEIGHTS)
    config = {"peft_type": "LORA", "r": LORA_RANK, "lora_alpha": 2 * LORA_RANK, "target_modules": list(PROJECTIONS)}
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return folder
