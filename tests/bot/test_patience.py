"""Trying again while the database is busy, and giving up at last."""

import pytest

from bot.patience import patiently
from core.errors import StorageBusy, StorageError


class Work:
    """Fails with what it was told, one by one, then gives 7."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.num_tries = 0

    async def __call__(self) -> int:
        self.num_tries += 1
        if self._failures:
            raise self._failures.pop(0)
        return 7


async def test_busy_database_is_tried_again_until_it_is_free() -> None:
    work = Work(StorageBusy("locked"), StorageBusy("locked"))
    assert await patiently(work) == 7
    assert work.num_tries == 3


async def test_without_patience_there_is_one_try() -> None:
    work = Work(StorageBusy("locked"), StorageBusy("locked"))
    with pytest.raises(StorageBusy):
        await patiently(work, patience_seconds=0)
    assert work.num_tries == 1


async def test_patience_ends() -> None:
    work = Work(*(StorageBusy("locked") for _ in range(100)))
    with pytest.raises(StorageBusy):
        await patiently(work, patience_seconds=0.25)
    assert 2 <= work.num_tries <= 5


async def test_other_faults_are_not_tried_again() -> None:
    work = Work(StorageError("damaged"))
    with pytest.raises(StorageError):
        await patiently(work)
    assert work.num_tries == 1
