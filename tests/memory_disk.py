"""A plugin of the suite: temporary folders lie in memory where there is plenty of it.

Hundreds of tests write small databases, and a disk that many share can make one write wait for seconds.
"""

import os
import shutil
from pathlib import Path

MEMORY_DISK = Path("/dev/shm")
MIN_FREE_BYTES = 4 * 1024**3
VARIABLE = "PYTEST_DEBUG_TEMPROOT"  # pytest's own


def pytest_configure() -> None:
    is_usable = MEMORY_DISK.is_dir() and os.access(MEMORY_DISK, os.W_OK)
    if is_usable and shutil.disk_usage(MEMORY_DISK).free >= MIN_FREE_BYTES:
        os.environ.setdefault(VARIABLE, str(MEMORY_DISK))
