"""A process that pushes adapters: one line of JSON a wish, one line of JSON an outcome.

Where the Hub is and how large files travel is settled when huggingface_hub is imported: it needs a process of its own.
"""

import json
import sys
from pathlib import Path

from core.errors import MjpromptError
from trainer.adapters.push import push_adapter


def main() -> None:
    """Answer `[folder, target, is_public]` with `["pushed", whether it was new]`, or the error's class and sentence."""
    for line in sys.stdin:
        folder, target, is_public = json.loads(line)
        try:
            outcome: tuple[str, object] = ("pushed", push_adapter(Path(folder), target, is_public=is_public))
        except MjpromptError as error:
            outcome = (type(error).__name__, str(error))
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
