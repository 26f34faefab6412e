"""How SQLite connections are opened and transactions begun, for the async engines and for migrations alike.

The driver's own transaction handling is switched off (`isolation_level = None`), as SQLAlchemy's manual
advises for every supported Python, and BEGIN is ours: IMMEDIATE for writers, so that two of them queue up at
the start instead of failing in the middle.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_SECONDS = 5.0

COMMON_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL")
# Several readers: each keeps 512 KiB of the file, where SQLite's own 2 MiB add up; the system keeps the file as well.
READER_PRAGMAS = (*COMMON_PRAGMAS, "foreign_keys = ON", "query_only = ON", "cache_size = -512")
WRITER_PRAGMAS = (*COMMON_PRAGMAS, "foreign_keys = ON")
# A batch migration drops a table to rebuild it, which would cascade to the rows that refer to it.
MIGRATION_PRAGMAS = (*COMMON_PRAGMAS, "foreign_keys = OFF")


def configure_sqlite(
    engine: Engine,
    *,
    pragmas: Sequence[str],
    begin: str,
    busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
) -> None:
    """Run `pragmas` on each new connection of `engine` and start its transactions with `begin`."""
    # The timeout comes first, because switching to WAL may have to wait as well.
    all_pragmas = (f"busy_timeout = {int(busy_timeout_seconds * 1000)}", *pragmas)

    def on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in all_pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def refuse_early(engine: Engine) -> None:
    """Find out that the file cannot be opened before aiosqlite tries.

    aiosqlite 0.22 leaves the thread of a failed connection behind, and that thread then reports to an event
    loop that may be closed by then.
    """

    def on_do_connect(
        _dialect: Dialect, _entry: ConnectionPoolEntry, arguments: Sequence[str], options: Mapping[str, Any]
    ) -> None:
        sqlite3.connect(arguments[0], uri=options.get("uri", False)).close()

    event.listen(engine, "do_connect", on_do_connect)
