"""The async engine and its transactions.

On SQLite one connection writes and several read: writers of this process wait for it first come, first served, for at
most the busy timeout unless they say otherwise, and readers never wait for writers (WAL). Readers cannot write, not
even by mistake. Another database has one pool for both. It does not know any table.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from core.errors import StorageBusy
from storage.faults import CROWDED, translated_faults
from storage.lean_sqlite import lean_connection
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

    def __init__(
        self, *, reader: AsyncEngine, writer: AsyncEngine, place: str, queue: "_WriterQueue | None" = None
    ) -> None:
        """Take the engines, and the queue of writers where there can be only one at a time."""
        self._reader = reader
        self._writer = writer
        self._place = place
        self._queue = queue

    def read(self) -> AbstractAsyncContextManager[Session]:
        """Open a transaction that sees one moment of the database and takes no write lock.

        Raises:
            StorageBusy, StorageError: as storage.faults translates them, also for a write inside.
        """
        return self._transaction(self._reader)

    def write(self, *, patience_seconds: float | None = None) -> AbstractAsyncContextManager[Session]:
        """Open a transaction that has the write lock from its start; it commits, or rolls back on an error.

        Keep it short, and never open one inside another. What was promised already waits for its turn among this
        program's writers as long as `patience_seconds` say; it would lose its place by coming again.

        Raises:
            StorageBusy: the lock was not free within the busy timeout, or the turn did not come in time.
            StorageError: as storage.faults translates it.
        """
        return self._transaction(self._writer) if self._queue is None else self._written(self._queue, patience_seconds)

    async def probe_writable(self) -> None:
        """Write something small and take it away again.

        Raises:
            StorageBusy: another program holds the database.
            StorageError: the database is read-only, full or damaged, or its folder is missing.
        """
        async with self.write() as session:
            await session.execute(text("CREATE TABLE probe_writable (id INTEGER PRIMARY KEY)"))
            await session.execute(text("DROP TABLE probe_writable"))

    def engine_for_sdk(self) -> object:
        """Return the writing engine for a library that keeps rows of its own here, and nothing else.

        Its transactions queue up with all other writers', and its errors are SQLAlchemy's own.
        """
        return self._writer

    async def close(self) -> None:
        """Close every connection."""
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def _written(self, queue: "_WriterQueue", patience_seconds: float | None) -> AsyncIterator[Session]:
        async with queue.turn(patience_seconds), self._transaction(self._writer) as session:
            yield session

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


class _WriterQueue:
    """Lets one writer in after the other, in the order of coming: who overtakes makes two presses change places.

    SQLAlchemy's pool gives its one connection to whoever happens to ask when it comes back.
    """

    def __init__(self, *, patience_seconds: float, place: str) -> None:
        self._lock = asyncio.Lock()
        self._patience_seconds = patience_seconds
        self._place = place

    @asynccontextmanager
    async def turn(self, patience_seconds: float | None) -> AsyncIterator[None]:
        """Wait for one's turn, `patience_seconds` or the queue's own, and have it while the block runs."""
        try:
            async with asyncio.timeout(self._patience_seconds if patience_seconds is None else patience_seconds):
                await self._lock.acquire()
        except TimeoutError as error:
            raise StorageBusy(CROWDED.format(place=self._place)) from error
        try:
            yield
        finally:
            self._lock.release()


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
    lean = {"async_creator_fn": lean_connection}
    reader = _engine(url, pool_size=MAX_READERS, pool_timeout=READER_TIMEOUT_SECONDS, connect_args=lean)
    writer = _engine(url, pool_size=1, pool_timeout=busy_timeout_seconds, connect_args=lean)
    for engine, pragmas, begin in (
        (reader, READER_PRAGMAS, "BEGIN"),
        (writer, WRITER_PRAGMAS, "BEGIN IMMEDIATE"),
    ):
        refuse_early(engine.sync_engine)
        configure_sqlite(engine.sync_engine, pragmas=pragmas, begin=begin, busy_timeout_seconds=busy_timeout_seconds)
    queue = _WriterQueue(patience_seconds=busy_timeout_seconds, place=place_of(url))
    return Database(reader=reader, writer=writer, place=place_of(url), queue=queue)


def _server_database(url: URL) -> Database:
    engine = _engine(url, pool_size=MAX_READERS, pool_timeout=READER_TIMEOUT_SECONDS)
    return Database(reader=engine, writer=engine, place=place_of(url))


def _engine(
    url: URL, *, pool_size: int, pool_timeout: float, connect_args: Mapping[str, object] | None = None
) -> AsyncEngine:
    """Parameters are hidden, because a statement that fails is logged and they are what people typed."""
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout,
        pool_reset_on_return=None,  # every transaction is ended where it is begun
        hide_parameters=True,
        connect_args=dict(connect_args or {}),
    )
