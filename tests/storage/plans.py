"""How SQLite would run the statements of a piece of work."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from sqlalchemy import event
from sqlalchemy.engine import Engine

from storage.database import Database

Statement = tuple[str, object]


@asynccontextmanager
async def statements_seen() -> AsyncIterator[list[Statement]]:
    """Collect every statement that runs within the block, with its parameters."""
    seen: list[Statement] = []

    def on_execute(_connection, _cursor, statement, parameters, *_rest) -> None:
        seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", on_execute)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", on_execute)


async def plans_of(database: Database, work: Awaitable[object]) -> list[list[str]]:
    """Do `work` and return the steps of SQLite's plan for each of its SELECTs, UPDATEs and DELETEs."""
    async with statements_seen() as seen:
        await work
    plans = []
    for statement, parameters in seen:
        if not statement.startswith(("SELECT", "UPDATE", "DELETE")):
            continue
        async with database.read() as session:
            connection = await session.connection()
            steps = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append([step[-1] for step in steps])
    return plans
