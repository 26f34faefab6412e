"""Rules for the whole suite, and the database that tests of the worker and the app copy."""

from pathlib import Path

import pytest

from storage import migrations

pytest_plugins = ["tests.skips_in_ci"]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy: copying takes milliseconds, migrating does not."""
    file = tmp_path_factory.mktemp("migrated") / "empty.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{file}")
    return file
