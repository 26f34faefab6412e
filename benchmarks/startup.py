"""How long a newcomer's second `make run` takes until it is ready, and how much memory its worker holds then.

Prints one JSON line. The first run, which is not measured, makes the environment where it is missing.
"""

import json
from pathlib import Path

import psutil

from benchmarks.machine import describe_machine
from benchmarks.running_chat import running_chat

COMMAND = ("make", "run")
GIB = 2**30


def main() -> None:
    """Run twice and report the second time."""
    with running_chat(COMMAND):
        pass
    with running_chat(COMMAND) as chat:
        row = {
            "benchmark": "startup",
            "ready_seconds": round(chat.ready_seconds, 2),
            "worker_rss_gib": round(chat.worker.memory_info().rss / GIB, 3),
            "worker_peak_gib": _peak_gib(chat.worker),
            "machine": describe_machine(),
        }
    print(json.dumps(row), flush=True)


def _peak_gib(process: psutil.Process) -> float | None:
    """Return the largest resident size so far; None where the system does not tell."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(kib) * 1024 / GIB, 3)


if __name__ == "__main__":
    main()
