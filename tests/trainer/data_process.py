"""A process that reads the data sets named on standard input from its Hub, one JSON question a line, one answer a line.

The Hub's client reads HF_ENDPOINT and HF_HOME when it is imported, so it needs a process of its own.
"""

import json
import sys
from pathlib import Path

from core.errors import MjpromptError
from tests.hub_process import HubProcess
from trainer.data.sources import read_source
from trainer.train_config import SourceConfig

SHOWN_CHARACTERS = 60


class DataProcess(HubProcess):
    """Asks `read_source`."""

    def __init__(self, endpoint: str, home: Path, **more: str) -> None:
        super().__init__("tests.trainer.data_process", endpoint, home, **more)

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
        result, answer = self.ask(json.dumps([kind, dataset_id, revision, split, column]))
        return result, answer


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
