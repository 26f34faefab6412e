"""What commands a platform was last told, as a hash: it is told again only when they changed."""

from sqlalchemy import select

from core.records import Platform
from storage import clock
from storage.database import Session
from storage.tables import SyncedCommandsRow
from storage.upsert import insert_into


async def synced_hash(session: Session, platform: Platform) -> str | None:
    """Return the hash of what the platform was told last; None if it never was."""
    return await session.scalar(select(SyncedCommandsRow.hash).where(SyncedCommandsRow.platform == platform))


async def remember_sync(session: Session, platform: Platform, hash_: str) -> None:
    """Keep the hash of what the platform was told just now."""
    told = {"hash": hash_, "synced_at": clock.utc_now()}
    insert = insert_into(session, SyncedCommandsRow).values(platform=platform, **told)
    await session.execute(insert.on_conflict_do_update(index_elements=["platform"], set_=told))
