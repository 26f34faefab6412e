"""A process that knows only one Hub, asked one line at a time and answering with one JSON line each.

The Hub's client reads HF_ENDPOINT and HF_HOME when it is imported, so each Hub needs a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.settings import PROJECT_ROOT

PATIENCE_SECONDS = 30.0


class HubProcess:
    """Runs `module` with the Hub at `endpoint` and the cache below `home`; `more` are further variables."""

    def __init__(self, module: str, endpoint: str, home: Path, **more: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        its_own = {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "PYTHONPATH": str(PROJECT_ROOT),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | its_own | more,
            cwd=PROJECT_ROOT,
            text=True,
        )

    def ask(self, line: str) -> Any:
        """Write a line and return what the process answers."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=PATIENCE_SECONDS)
