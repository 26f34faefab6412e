"""Workers for the benchmarks: the stand-in of the tests beside the bot, or the pocket model under `mjprompt run`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.database import open_database
from storage.queue import SqlQueue
from tests.bot.fake_worker import FakeWorker


@asynccontextmanager
async def stand_in_worker(file: Path) -> AsyncIterator[FakeWorker]:
    """Answer at once what is asked in the bot's database, with prompts made of the subject."""
    database = open_database(f"sqlite+aiosqlite:///{file}")
    try:
        queue = SqlQueue(database, lease_seconds=30, max_attempts=2)
        async with FakeWorker(database, queue) as worker:
            yield worker
    finally:
        await database.close()
