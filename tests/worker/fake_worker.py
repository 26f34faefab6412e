"""A worker process with a fake model: `python -m tests.worker.fake_worker [--supervised]`.

FAKE_DELAY_SECONDS is how long a batch takes, FAKE_LOAD what loading does: ok, running (a running generator), slow,
forever, missing, crash, or deaf, for a model that writes for ever whoever asks it to stop. FAKE_LOADING_FILE names a
file that is there once loading has begun.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from core.errors import ModelError
from core.logs import configure_logs
from core.settings import Settings, load_settings
from falcon.generator import Generated, GenerationRequest, Generator
from tests.worker.fakes import FakeGenerator, FakeRunningGenerator
from worker.process import run_worker_process

SLOW_SECONDS = 2.5


class DeafGenerator(FakeGenerator):
    """Does not look whether anybody still wants an answer."""

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generated]:
        time.sleep(3600)
        return super().generate(requests)


def load(_: Settings) -> Generator:
    if "FAKE_LOADING_FILE" in os.environ:
        Path(os.environ["FAKE_LOADING_FILE"]).touch()
    delay_seconds = float(os.environ.get("FAKE_DELAY_SECONDS", "0"))
    match os.environ.get("FAKE_LOAD", "ok"):
        case "missing":
            raise ModelError("The model folder /nowhere is missing; set MODEL_ID.")
        case "crash":
            os.abort()
        case "slow":
            time.sleep(SLOW_SECONDS)
        case "forever":
            time.sleep(3600)
        case "deaf":
            return DeafGenerator()
        case "running":
            return FakeRunningGenerator(delay_seconds=delay_seconds)
    return FakeGenerator(delay_seconds=delay_seconds)


def main() -> int:
    settings = load_settings(_env_file=None)
    configure_logs(level="INFO", form="json")
    return run_worker_process(settings, load, is_supervised="--supervised" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
