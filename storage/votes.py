"""Votes: one row per user and candidate says what they think now; append-only events keep every press."""

from sqlalchemy import delete

from core.records import CandidateView, Thumb
from storage import candidates, clock
from storage.database import Session
from storage.tables import VoteEventRow, VoteRow
from storage.upsert import insert_into


async def cast(
    session: Session, *, user_id: str, candidate_id: str, thumb: Thumb | None, event_id: str
) -> CandidateView:
    """Set a user's vote on a candidate, or take it back with None; return the candidate with its new counts.

    `event_id` names the press: the same user's same event changes nothing when it comes again.

    Raises:
        NotFound: there is no such candidate.
    """
    await candidates.view(session, candidate_id, viewer_id=user_id)
    vote_event_id = await _append_event(
        session, user_id=user_id, candidate_id=candidate_id, thumb=thumb, event_id=event_id
    )
    if vote_event_id is not None:
        await _apply(session, user_id, candidate_id, thumb, vote_event_id)
    return await candidates.view(session, candidate_id, viewer_id=user_id)


async def _append_event(
    session: Session, *, user_id: str, candidate_id: str, thumb: Thumb | None, event_id: str
) -> int | None:
    """Return the new event's id, or None if the event was there before."""
    insert = insert_into(session, VoteEventRow).values(
        user_id=user_id,
        candidate_id=candidate_id,
        event_id=event_id,
        thumb=thumb,
        created_at=clock.utc_now(),
    )
    once = insert.on_conflict_do_nothing(index_elements=["user_id", "event_id"])
    return (await session.scalars(once.returning(VoteEventRow.id))).one_or_none()


async def _apply(session: Session, user_id: str, candidate_id: str, thumb: Thumb | None, vote_event_id: int) -> None:
    if thumb is None:
        await session.execute(delete(VoteRow).where(VoteRow.user_id == user_id, VoteRow.candidate_id == candidate_id))
        return
    now = clock.utc_now()
    changed = {"thumb": thumb, "vote_event_id": vote_event_id, "updated_at": now}
    insert = insert_into(session, VoteRow).values(user_id=user_id, candidate_id=candidate_id, created_at=now, **changed)
    await session.execute(insert.on_conflict_do_update(index_elements=["user_id", "candidate_id"], set_=changed))
