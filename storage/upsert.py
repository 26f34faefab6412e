"""INSERT … ON CONFLICT, which SQLite and PostgreSQL spell alike but SQLAlchemy keeps in two dialects."""

from collections.abc import Sequence

from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.columns import Row


def insert_into(session: AsyncSession, row: type[Row]) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT into the table of `row` that understands the session's ON CONFLICT."""
    return postgresql.insert(row) if dialect_of(session) == "postgresql" else sqlite.insert(row)


def insert_by_name(dialect: str, row: type[Row], columns: Sequence[str]) -> sqlite.Insert | postgresql.Insert:
    """Return such an INSERT whose values are given by the columns' names when it is executed: to be built once.

    It is into the table, not into the class: SQLAlchemy's way for many objects would cost as much again.
    """
    table = row.metadata.tables[row.__tablename__]
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return insert.values({column: bindparam(column) for column in columns})


def dialect_of(session: AsyncSession) -> str:
    """Return the name of the session's kind of database."""
    return session.get_bind().dialect.name
