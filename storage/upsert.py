"""INSERT … ON CONFLICT, which SQLite and PostgreSQL spell alike but SQLAlchemy keeps in two dialects."""

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.columns import Row


def insert_into(session: AsyncSession, row: type[Row]) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT into the table of `row` that understands the session's ON CONFLICT."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(row)
    return sqlite.insert(row)
