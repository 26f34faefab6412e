"""Events of the platforms that were taken in already, so that a replay changes nothing.

A platform's event ids share one space: where people make them up themselves, as a web page does, the caller
puts the user's id in front.
"""

from sqlalchemy import select

from core.records import Platform
from storage import clock
from storage.database import Session
from storage.tables import SeenEventRow
from storage.upsert import insert_into


async def remember(session: Session, platform: Platform, event_id: str, request_id: str) -> None:
    """Keep which request an event led to; the first one stays."""
    insert = insert_into(session, SeenEventRow).values(
        platform=platform, event_id=event_id, request_id=request_id, created_at=clock.utc_now()
    )
    await session.execute(
        insert.on_conflict_do_update(
            index_elements=["platform", "event_id"],
            set_={"request_id": request_id},
            where=SeenEventRow.request_id.is_(None),
        )
    )


async def request_of(session: Session, platform: Platform, event_id: str) -> str | None:
    """Return the request that an event led to, or None if it is new or led to none."""
    return await session.scalar(
        select(SeenEventRow.request_id).where(SeenEventRow.platform == platform, SeenEventRow.event_id == event_id)
    )
