"""The real command line over a fake model: `python -m tests.app.fake_cli ask …`.

FAKE_LOAD and FAKE_DELAY_SECONDS are those of tests/worker/fake_worker.py.
"""

from app.cli import Model, main
from core.settings import Settings
from tests.worker.fake_worker import load
from tests.worker.fakes import FakeGenerator


def load_fake(settings: Settings) -> FakeGenerator:
    return load(settings)


if __name__ == "__main__":
    main(Model(load=load_fake, module="tests.app.fake_cli"))
