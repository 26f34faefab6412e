"""Settings in memory: read once for all who ask at once, never too old, and current at once when changed here."""

import asyncio

import pytest

from bot.settings_memory import SettingsMemory
from core.errors import StorageBusy
from core.records import Platform, WorkspaceSettings

PRIVATE = WorkspaceSettings(is_private=True)
HERE = (Platform.DISCORD, "1")


class Rows:
    """Settings as the database has them; it can be slow, or fail."""

    def __init__(self) -> None:
        self.settings = WorkspaceSettings()
        self.num_reads = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fails = False

    async def read(self, platform: Platform, external_id: str | None) -> WorkspaceSettings:
        self.num_reads += 1
        found = self.settings
        await self.may_answer.wait()
        if self.fails:
            raise StorageBusy("Too much waits.")
        return found


async def test_who_asks_at_once_shares_one_read():
    rows = Rows()
    memory = SettingsMemory(rows.read)
    assert set(await asyncio.gather(*(memory.of(*HERE) for _ in range(20)))) == {WorkspaceSettings()}
    assert (await memory.of(*HERE), rows.num_reads) == (WorkspaceSettings(), 1)


async def test_what_is_changed_here_is_known_here_at_once_also_during_a_read():
    rows = Rows()
    memory = SettingsMemory(rows.read)
    rows.may_answer.clear()
    reading = asyncio.create_task(memory.of(*HERE))
    await asyncio.sleep(0)
    memory.keep(*HERE, PRIVATE)
    rows.may_answer.set()
    await reading
    assert await memory.of(*HERE) == PRIVATE


async def test_what_another_process_changed_is_known_after_a_while():
    rows = Rows()
    memory = SettingsMemory(rows.read, remember_seconds=0)
    await memory.of(*HERE)
    rows.settings = PRIVATE
    assert await memory.of(*HERE) == PRIVATE


async def test_a_workspace_that_was_forgotten_is_read_anew():
    rows = Rows()
    memory = SettingsMemory(rows.read)
    await memory.of(*HERE)
    rows.settings = PRIVATE
    memory.forget(*HERE)
    assert await memory.of(*HERE) == PRIVATE


async def test_a_read_that_fails_is_told_to_all_and_remembered_by_none():
    rows = Rows()
    rows.fails = True
    memory = SettingsMemory(rows.read)
    told = await asyncio.gather(memory.of(*HERE), memory.of(*HERE), return_exceptions=True)
    assert [type(error) for error in told] == [StorageBusy, StorageBusy]
    rows.fails = False
    assert await memory.of(*HERE) == WorkspaceSettings()


async def test_somebody_who_gives_up_takes_the_read_from_nobody_else():
    rows = Rows()
    memory = SettingsMemory(rows.read)
    rows.may_answer.clear()
    waiting = asyncio.create_task(memory.of(*HERE))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await memory.of(*HERE)
    rows.may_answer.set()
    assert (await waiting, rows.num_reads) == (WorkspaceSettings(), 1)
