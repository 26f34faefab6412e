"""A process that locates the models named on standard input, one `id revision` a line, one JSON answer a line.

The Hub's client reads HF_ENDPOINT and HF_HOME when it is imported, so it needs a process of its own.
"""

import json
import sys

from core.errors import MjpromptError
from falcon.source import locate


def main() -> None:
    for line in sys.stdin:
        model_id, _, revision = line.strip().partition(" ")
        try:
            answer = ["found", str(locate(model_id, revision or None))]
        except MjpromptError as error:
            answer = [type(error).__name__, str(error)]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
