"""Name the machine and the library versions in every benchmark line."""

import importlib.metadata
import platform

import psutil

from core.machine import num_usable_cores


def describe_machine() -> dict[str, object]:
    """Return processor, usable cores, memory, GPU and the versions of what was measured."""
    row: dict[str, object] = {
        "cpu": _cpu_name(),
        "cores": num_usable_cores(),
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
    import torch  # noqa: PLC0415 - slow, and wanted last

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
