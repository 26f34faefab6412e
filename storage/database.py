"""The async engine and its transactions.

On SQLite one connection writes and several read: writers of this process wait for it first come, first
served, for at most the busy timeout, and readers never wait for writers (WAL). Readers cannot write, not even
by mistake. Another database has one pool for both. It does not know any table.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from storage.faults import translated_faults
from storage.sqlite import (
    BUSY_TIMEOUT_SECONDS,
    READER_PRAGMAS,
    WRITER_PRAGMAS,
    configure_sqlite,
    refuse_early,
)
from storage.urls import async_url, is_sqlite, place_of, read_url, required_driver

MAX_READERS = 8
READER_TIMEOUT_SECONDS = 30.0

# Guarded UPDATEs pass by the session's memory of rows, so what it reads next has to replace that memory.
SESSION_OPTIONS = {"populate_existing": True, "synchronize_session": False}

Session: TypeAlias = AsyncSession  # opaque outside storage/: pass it on to its functions


class Database:
    """Transactions on one database; open it with `open_database` and close it when done."""

    def __init__(self, *, reader: AsyncEngine, writer: AsyncEngine, place: str) -> None:
        self._reader = reader
        self._writer = writer
        self._place = place

    def read(self) -> AbstractAsyncContextManager[Session]:
        """Open a transaction that sees one moment of the database and takes no write lock.

        Raises:
            StorageBusy, StorageError: as storage.faults translates them, also for a write inside.
        """
        return self._transaction(self._reader)

    def write(self) -> AbstractAsyncContextManager[Session]:
        """Open a transaction that has the write lock from its start; it commits, or rolls back on an error.

        Keep it short, and never open one inside another.

        Raises:
            StorageBusy: the lock was not free within the busy timeout.
            StorageError: as storage.faults translates it.
        """
        return self._transaction(self._writer)

    async def probe_writable(self) -> None:
        """Write something small and take it away again.

        Raises:
            StorageBusy: another program holds the database.
            StorageError: the database is read-only, full or damaged, or its folder is missing.
        """
        async with self.write() as session:
            await session.execute(text("CREATE TABLE probe_writable (id INTEGER PRIMARY KEY)"))
            await session.execute(text("DROP TABLE probe_writable"))

    async def close(self) -> None:
        """Close every connection."""
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[Session]:
        with translated_faults(self._place):
            session = AsyncSession(engine, expire_on_commit=False, execution_options=SESSION_OPTIONS)
            try:
                await session.connection()  # begin now, not at the first statement
                yield session
                await _undisturbed(session.commit())
            finally:
                await _undisturbed(session.close())  # rolls back what was not committed


async def _undisturbed(work: Coroutine[object, object, None]) -> None:
    """Do `work` to its end; a cancellation meanwhile is raised after it, and leaves no connection half reset."""
    ending = asyncio.create_task(work, name="end transaction")
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        await asyncio.gather(ending, return_exceptions=True)
        raise


def open_database(url: str, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> Database:
    """Prepare the database at `url`; nothing is opened before the first transaction.

    Raises:
        ConfigError: the URL cannot be used, or its driver is not installed.
    """
    parsed = async_url(read_url(url))
    with required_driver(parsed):
        if is_sqlite(parsed):
            return _sqlite_database(parsed, busy_timeout_seconds)
        return _server_database(parsed)


def _sqlite_database(url: URL, busy_timeout_seconds: float) -> Database:
    reader = _engine(url, pool_size=MAX_READERS, pool_timeout=READER_TIMEOUT_SECONDS)
    writer = _engine(url, pool_size=1, pool_timeout=busy_timeout_seconds)
    for engine, pragmas, begin in (
        (reader, READER_PRAGMAS, "BEGIN"),
        (writer, WRITER_PRAGMAS, "BEGIN IMMEDIATE"),
    ):
        refuse_early(engine.sync_engine)
        configure_sqlite(engine.sync_engine, pragmas=pragmas, begin=begin, busy_timeout_seconds=busy_timeout_seconds)
    return Database(reader=reader, writer=writer, place=place_of(url))


def _server_database(url: URL) -> Database:
    engine = _engine(url, pool_size=MAX_READERS, pool_timeout=READER_TIMEOUT_SECONDS)
    return Database(reader=engine, writer=engine, place=place_of(url))


def _engine(url: URL, *, pool_size: int, pool_timeout: float) -> AsyncEngine:
    """Parameters are hidden, because a statement that fails is logged and they are what people typed."""
    return create_async_engine(
        url, pool_size=pool_size, max_overflow=0, pool_timeout=pool_timeout, hide_parameters=True
    )
