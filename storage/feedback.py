"""What people say of a candidate in words: one row per user and candidate, the last one wins."""

from sqlalchemy import delete

from core.records import Feedback
from storage import clock
from storage.database import Session
from storage.tables import FeedbackRow
from storage.upsert import insert_into


async def give(session: Session, *, user_id: str, candidate_id: str, feedback: Feedback) -> None:
    """Keep what a user says of a candidate in place of what they said before; saying nothing takes it back."""
    if feedback == Feedback():
        mine = (FeedbackRow.user_id == user_id, FeedbackRow.candidate_id == candidate_id)
        await session.execute(delete(FeedbackRow).where(*mine))
        return
    now = clock.utc_now()
    said = {"reason": feedback.reason, "correction": feedback.correction, "updated_at": now}
    insert = insert_into(session, FeedbackRow).values(
        user_id=user_id, candidate_id=candidate_id, created_at=now, **said
    )
    await session.execute(insert.on_conflict_do_update(index_elements=["user_id", "candidate_id"], set_=said))


async def of(session: Session, user_id: str, candidate_id: str) -> Feedback | None:
    """Return what a user said of a candidate, None if they said nothing."""
    row = await session.get(FeedbackRow, (user_id, candidate_id))
    return None if row is None else Feedback(reason=row.reason, correction=row.correction)
