"""A database for a process that is not asynchronous: one loop, and one transaction a call. It knows no rows."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from storage.database import Database, Session, open_database

Result = TypeVar("Result")


class DatabaseLoop:
    """Opens a database and waits for what is done there; close it when done."""

    def __init__(self, database_url: str) -> None:
        self._database = open_database(database_url)
        self._loop = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.run(self._database.close())
        self._loop.close()

    def read(self, act: Callable[[Session], Awaitable[Result]]) -> Result:
        """Do `act` in a transaction that only reads.

        Raises:
            StorageBusy, StorageError: the database cannot be read.
        """

        async def read() -> Result:
            async with self._database.read() as session:
                return await act(session)

        return self._loop.run(read())

    def write(self, act: Callable[[Session], Awaitable[Result]]) -> Result:
        """Do `act` in a transaction of its own.

        Raises:
            StorageBusy, StorageError: the database cannot be written.
        """

        async def write() -> Result:
            async with self._database.write() as session:
                return await act(session)

        return self._loop.run(write())

    def on_database(self, act: Callable[[Database], Awaitable[Result]]) -> Result:
        """Do `act`, which opens the transactions that it wants itself."""

        async def run() -> Result:
            return await act(self._database)

        return self._loop.run(run())
