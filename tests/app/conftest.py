"""The command line in a fresh folder."""

import shutil
from pathlib import Path

import pytest

from tests.app.commands import Mjprompt


@pytest.fixture
def mjprompt(tmp_path: Path, migrated_file: Path) -> Mjprompt:
    """The command line over a fresh, migrated database."""
    command = Mjprompt(tmp_path)
    shutil.copy(migrated_file, command.database_file)
    return command


@pytest.fixture
def new_mjprompt(tmp_path: Path) -> Mjprompt:
    """The command line where no database is yet."""
    return Mjprompt(tmp_path)
