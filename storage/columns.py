"""Column types and the declarative base that every row shares.

It does not know any table. Names of constraints are spelled by one convention, so that a migration can find
them again on every database.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, Enum, MetaData, String
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator

from storage.identifiers import ID_LENGTH

MAX_STATE_LENGTH = 16  # characters
MAX_EXTERNAL_ID_LENGTH = 200  # characters; the longest that a platform uses is far below

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A moment as aware UTC, also on SQLite, which keeps no time zone; text that it stores sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the time {value.isoformat()} has no time zone; give an aware one, such as UTC")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def enum_column(states: type[StrEnum], name: str) -> Enum:
    """Store `states` by their values as text, with a CHECK constraint `name` that refuses any other."""
    return Enum(
        states,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=MAX_STATE_LENGTH,
        values_callable=lambda members: [member.value for member in members],
    )


Identifier = Annotated[str, mapped_column(String(ID_LENGTH))]
ExternalId = Annotated[str, mapped_column(String(MAX_EXTERNAL_ID_LENGTH))]  # a platform's or a process's own name


class Row(DeclarativeBase):
    """Base of all rows."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime(),
        dict[str, object]: JSON(),
        list[str]: JSON(),
    }
