"""aiosqlite's connection with one visit to its thread for each statement, where it pays four.

SQLAlchemy makes a cursor, executes, fetches every row and closes the cursor; only executing and fetching touch the
file, and they are done in one visit here. Handing work to the thread costs more than most of our statements do. It
does not know what is executed.
"""

import sqlite3
from collections.abc import Iterable
from functools import partial
from typing import Any

import aiosqlite

ROWS_A_CHUNK = 64  # aiosqlite's own default


class LeanCursor(aiosqlite.Cursor):
    """A cursor that has fetched all rows by the time that it has executed."""

    def __init__(self, connection: "LeanConnection") -> None:
        super().__init__(connection, connection.bare_cursor())
        self._rows: list[Any] = []

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> "LeanCursor":
        """Execute a statement and fetch its rows."""
        values = () if parameters is None else parameters
        self._rows = await self._execute(self._execute_and_fetch, sql, values)  # type: ignore[no-untyped-call]
        return self

    async def fetchall(self) -> list[Any]:
        """Return the rows of the statement, once."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Let go of a statement that has ended already: nothing waits for the file."""
        self._cursor.close()

    def _execute_and_fetch(self, sql: str, parameters: Any) -> list[Any]:
        self._cursor.execute(sql, parameters)
        return self._cursor.fetchall() if self._cursor.description is not None else []


class LeanConnection(aiosqlite.Connection):
    """A connection whose cursors are lean."""

    def bare_cursor(self) -> sqlite3.Cursor:
        return self._conn.cursor()

    def cursor(self) -> LeanCursor:  # type: ignore[override]  # SQLAlchemy only enters it, as it does aiosqlite's own
        return LeanCursor(self)


def lean_connection(database: str, **options: Any) -> LeanConnection:
    """Return a connection to be awaited; for SQLAlchemy's `async_creator_fn`."""
    connection = LeanConnection(partial(sqlite3.connect, database, **options), ROWS_A_CHUNK)
    connection._thread.daemon = True  # as SQLAlchemy does it where it makes the connection itself
    return connection
