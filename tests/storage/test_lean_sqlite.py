"""One visit to the connection's thread a statement, and the same rows as aiosqlite's own cursors give."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.lean_sqlite import LeanConnection, lean_connection


class Counting(LeanConnection):
    """Counts its visits to the thread."""

    num_visits = 0

    async def _execute(self, fn, *args, **kwargs):
        self.num_visits += 1
        return await super()._execute(fn, *args, **kwargs)


async def opened(file: Path) -> Counting:
    return await Counting(lambda: sqlite3.connect(file, check_same_thread=False), 64)


async def test_a_statement_visits_the_thread_once(tmp_path):
    connection = await opened(tmp_path / "a.db")
    cursor = connection.cursor()
    await cursor.execute("SELECT 1 UNION SELECT 2 ORDER BY 1")
    assert (cursor.description[0][0], await cursor.fetchall()) == ("1", [(1,), (2,)])
    await cursor.close()
    assert connection.num_visits == 1
    await connection.close()


async def test_rows_are_given_once_and_a_statement_without_rows_gives_none(tmp_path):
    connection = await opened(tmp_path / "a.db")
    cursor = connection.cursor()
    await cursor.execute("SELECT ?", ("x",))
    assert (await cursor.fetchall(), await cursor.fetchall()) == ([("x",)], [])
    await cursor.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    assert (cursor.description, await cursor.fetchall()) == (None, [])
    await connection.close()


async def test_a_statement_that_fails_raises_and_leaves_the_connection_usable(tmp_path):
    connection = await opened(tmp_path / "a.db")
    cursor = connection.cursor()
    with pytest.raises(sqlite3.OperationalError):
        await cursor.execute("SELECT no_such_column")
    await cursor.execute("SELECT 1")
    assert await cursor.fetchall() == [(1,)]
    await connection.close()


async def test_the_connection_ends_with_the_program_although_its_thread_is_still_there(tmp_path):
    connection = lean_connection(str(tmp_path / "a.db"))
    assert connection._thread.daemon
    async with connection:
        pass


async def test_inserted_rows_are_returned_and_counted(database: Database):
    async with database.write() as session:
        await session.execute(text("CREATE TABLE numbers (n INTEGER)"))
        added = await session.execute(text("INSERT INTO numbers VALUES (1), (2) RETURNING n"))
        assert sorted(added.scalars()) == [1, 2]
        changed = await session.execute(text("UPDATE numbers SET n = n + 1"))
        assert changed.rowcount == 2


async def test_many_readers_and_writers_at_once_see_what_is_committed(database: Database):
    async with database.write() as session:
        await session.execute(text("CREATE TABLE numbers (n INTEGER)"))

    async def add_and_count(number: int) -> int:
        async with database.write() as session:
            await session.execute(text("INSERT INTO numbers VALUES (:n)"), {"n": number})
        async with database.read() as session:
            return int((await session.execute(text("SELECT count(*) FROM numbers"))).scalar_one())

    counts = await asyncio.gather(*(add_and_count(number) for number in range(40)))
    assert max(counts) == 40
    assert min(counts) >= 1
