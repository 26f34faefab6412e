"""Who lets the bot learn from what they type and vote: off until given, revocable, every decision kept."""

from sqlalchemy import select

from storage import clock
from storage.database import Session
from storage.tables import ConsentRow


async def has_consented(session: Session, user_id: str) -> bool:
    """Tell whether a user's latest decision is a yes; no decision is a no."""
    latest = select(ConsentRow.is_given).where(ConsentRow.user_id == user_id).order_by(ConsentRow.id.desc()).limit(1)
    return bool(await session.scalar(latest))


async def record(session: Session, user_id: str, *, is_given: bool) -> None:
    """Append a decision, unless it is the one that already holds."""
    if await has_consented(session, user_id) is is_given:
        return
    session.add(ConsentRow(user_id=user_id, is_given=is_given, created_at=clock.utc_now()))
    await session.flush()
