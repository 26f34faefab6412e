"""Rules for the whole suite, and the database that tests of the worker and the app copy."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from storage import migrations
from tests.fakes import patience

pytest_plugins = [
    "tests.interrupts",
    "tests.lasting_objects",
    "tests.memory_disk",
    "tests.plain_tracebacks",
    "tests.skips_in_ci",
]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy: copying takes milliseconds, migrating does not."""
    file = tmp_path_factory.mktemp("migrated") / "empty.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{file}")
    return file


os.environ.setdefault(patience.VARIABLE, "10")

# The whole suite has a time limit; a test that needs more examples than this asks for them itself.
settings.register_profile("suite", max_examples=25)
settings.load_profile("suite")
