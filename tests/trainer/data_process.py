"""A process that reads the data sets named on standard input from its Hub, one JSON question a line, one answer a line.

The Hub's client reads HF_ENDPOINT and HF_HOME when it is imported, so it needs a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from core.errors import MjpromptError
from core.settings import PROJECT_ROOT
from trainer.data_sources import read_source
from trainer.train_config import SourceConfig

SHOWN_CHARACTERS = 60


class DataProcess:
    """Asks `read_source` in a process that knows only the Hub at `endpoint` and the cache below `home`."""

    def __init__(self, endpoint: str, home: Path, **more: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment |= {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "PYTHONPATH": str(PROJECT_ROOT),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.trainer.data_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment | more,
            cwd=PROJECT_ROOT,
            text=True,
        )

    def read(
        self,
        dataset_id: str,
        revision: str | None = None,
        *,
        split: str = "train",
        column: str = "text",
        kind: str = "hub",
    ) -> tuple[str, dict[str, object]]:
        """Return `found` and the beginnings of the texts with their origin, or the error's class and what it `said`."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([kind, dataset_id, revision, split, column]) + "\n")
        self._process.stdin.flush()
        result, answer = json.loads(self._process.stdout.readline())
        return result, answer

    def close(self) -> None:
        self._process.communicate(timeout=30)


def main() -> None:
    for line in sys.stdin:
        kind, dataset_id, revision, split, column = json.loads(line)
        config = SourceConfig(kind=kind, id=dataset_id, revision=revision, split=split, text_column=column)
        try:
            source = read_source(config, [])
            rows = [row and row.prompt[:SHOWN_CHARACTERS] for row in source.rows]
            answer = ["found", {"rows": rows, "revision": source.revision, "licence": source.licence}]
        except MjpromptError as error:
            answer = [type(error).__name__, {"said": str(error)}]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
