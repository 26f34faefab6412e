"""Events of the platforms that were taken in already, so that a replay changes nothing.

A platform's event ids share one space: where people make them up themselves, as a web page does, the caller
puts the user's id in front.
"""

from functools import cache

from sqlalchemy import Insert, Select, bindparam, select
from sqlalchemy.sql.dml import ReturningInsert

from core.records import Platform
from storage import clock
from storage.database import Session
from storage.tables import RequestRow, SeenEventRow
from storage.upsert import dialect_of, insert_by_name


async def first_time(session: Session, platform: Platform, event_id: str, *, user_id: str | None = None) -> bool:
    """Take an event in; False if it was there before, which asks the caller to change nothing.

    It is forgotten with `user_id`; give None only for an event that is nobody's, such as an uninstallation.
    """
    event = {"platform": platform, "event_id": event_id, "user_id": user_id, "created_at": clock.utc_now()}
    return (await session.scalars(_insert_new(dialect_of(session)), event)).one_or_none() is not None


async def remember(session: Session, platform: Platform, event_id: str, request_id: str) -> None:
    """Keep which request an event led to; the first one stays. It is forgotten with the user who asked."""
    event = {"platform": platform, "event_id": event_id, "request_id": request_id, "created_at": clock.utc_now()}
    await session.execute(_insert_or_complete(dialect_of(session)), event)


async def request_of(session: Session, platform: Platform, event_id: str) -> str | None:
    """Return the request that an event led to; None if it is new, led to none, or that one was deleted since."""
    return await session.scalar(_request_of(), {"platform": platform, "event_id": event_id})


# Statements that are part of every ask, built once: building one costs more than running it.


@cache
def _insert_new(dialect: str) -> ReturningInsert[str]:
    insert = insert_by_name(dialect, SeenEventRow, ("platform", "event_id", "user_id", "created_at"))
    return insert.on_conflict_do_nothing(index_elements=["platform", "event_id"]).returning(SeenEventRow.event_id)


@cache
def _insert_or_complete(dialect: str) -> Insert:
    insert = insert_by_name(dialect, SeenEventRow, ("platform", "event_id", "request_id", "created_at"))
    asker = select(RequestRow.user_id).where(RequestRow.id == bindparam("request_id")).scalar_subquery()
    return insert.values(user_id=asker).on_conflict_do_update(
        index_elements=["platform", "event_id"],
        set_={"request_id": insert.excluded.request_id},
        where=SeenEventRow.request_id.is_(None),
    )


@cache
def _request_of() -> Select[str | None]:
    here = (SeenEventRow.platform == bindparam("platform"), SeenEventRow.event_id == bindparam("event_id"))
    return select(SeenEventRow.request_id).where(*here)
