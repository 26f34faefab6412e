"""What this process may use of its machine."""

import os


def num_usable_cores() -> int:
    """Return the cores that this process may run on, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
