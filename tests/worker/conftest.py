"""A fresh database, its queue and somebody who asks."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.settings import Settings, load_settings
from storage.database import Database, open_database
from tests.worker.fakes import SometimesBusyQueue
from tests.worker.people import Person


@pytest.fixture
def settings(tmp_path: Path, migrated_file: Path) -> Settings:
    """Settings over a fresh database, with a short lease, untouched by a .env file."""
    file = tmp_path / "worker.db"
    shutil.copy(migrated_file, file)
    return load_settings(_env_file=None, database_url=f"sqlite+aiosqlite:///{file}", lease_seconds=0.9)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings.database_url)
    yield database
    await database.close()


@pytest.fixture
def queue(database: Database, settings: Settings) -> SometimesBusyQueue:
    return SometimesBusyQueue(database, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts)


@pytest.fixture
def ann(database: Database, queue: SometimesBusyQueue) -> Person:
    return Person(database, queue)
