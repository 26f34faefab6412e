"""Measure where a step's time goes: its longest kernels, for one request and for a full batch."""

import time
from collections.abc import Iterator
from typing import Any

from torch.profiler import ProfilerActivity, profile

from benchmarks.decode_models import NUM_BEAMS, Models, Row, synchronize
from benchmarks.decode_runs import random_requests, warm_up
from falcon.engine import Engine

NUM_STEPS, QUICK_STEPS = 10, 3
NUM_KERNELS = 10
MICROSECONDS = 1000


def measure_profile(models: Models) -> Iterator[tuple[str, Row]]:
    """Yield the whole time of a step, and its ten longest kernels on the device (on a CPU, operations)."""
    for size in models.setting.batches(1, 128):
        yield from _measure(models, size)


def _measure(models: Models, size: int) -> Iterator[tuple[str, Row]]:
    setting, engine = models.setting, models.engine("bf16")
    requests = random_requests(size)
    warm_up(engine, requests)
    num_steps = QUICK_STEPS if setting.is_quick else NUM_STEPS
    _begin(engine, size)
    step_ms = _steps_ms(engine, num_steps)
    activities = [ProfilerActivity.CPU]
    if setting.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        _steps_ms(engine, num_steps)
    engine.drop_all()
    times = _kernel_times(profiler, is_cuda=setting.device.type == "cuda")
    whole = sum(times.values()) / num_steps / MICROSECONDS
    name = f"{size}x{NUM_BEAMS}"
    yield f"{name} step", {"ms": round(step_ms, 3), "kernels_ms": round(whole, 3), "kinds": len(times)}
    for kernel, microseconds in sorted(times.items(), key=lambda item: -item[1])[:NUM_KERNELS]:
        ms = microseconds / num_steps / MICROSECONDS
        yield f"{name} {kernel[:60]}", {"ms": round(ms, 4), "share": round(ms / whole, 3)}


def _begin(engine: Engine, size: int) -> None:
    """Submit requests and step until all are seated, and the queue holds steps of all of them only."""
    for request in random_requests(size):
        engine.submit(request)
    while engine.model.memory.num_free_homes > engine.model.memory.shape.num_homes - size:
        engine.step()
    engine.step()
    engine.step()


def _steps_ms(engine: Engine, num_steps: int) -> float:
    device = engine.model.weights.device
    synchronize(device)
    started = time.monotonic()
    for _ in range(num_steps):
        engine.step()
    synchronize(device)
    return 1000 * (time.monotonic() - started) / num_steps


def _kernel_times(profiler: Any, *, is_cuda: bool) -> dict[str, float]:
    """Return the microseconds of each kernel by its name, those of nothing left out."""
    if not is_cuda:
        averages = {event.key: float(event.self_cpu_time_total) for event in profiler.key_averages()}
    else:
        averages = {
            event.key: float(event.self_device_time_total)
            for event in profiler.key_averages()
            if "CUDA" in str(event.device_type)
        }
    return {name: microseconds for name, microseconds in averages.items() if microseconds > 0}
