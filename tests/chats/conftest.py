"""A Discord and a Slack of our own for each test; the bot itself is a process that the test starts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.chats.house import House, open_house


@pytest_asyncio.fixture
async def house(migrated_file: Path, tmp_path: Path) -> AsyncIterator[House]:
    """Both platforms and a worker without a model."""
    async with open_house(migrated_file, tmp_path) as house:
        yield house


@pytest_asyncio.fixture
async def workerless_house(migrated_file: Path, tmp_path: Path) -> AsyncIterator[House]:
    """Both platforms without a worker: the process brings its own."""
    async with open_house(migrated_file, tmp_path, has_worker=False) as house:
        yield house
