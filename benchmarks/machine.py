"""Name the machine and the library versions in every benchmark line."""

import importlib.metadata
import os
import platform

import psutil


def describe_machine() -> dict[str, object]:
    """Return processor, usable cores, memory, GPU and the versions of what was measured."""
    row: dict[str, object] = {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "transformers": importlib.metadata.version("transformers"),
    }
    gpu = _gpu_name()
    if gpu:
        row["gpu"] = gpu
    return row


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpu_name() -> str | None:
    import torch  # noqa: PLC0415 - benchmarks of the chat side need no torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
