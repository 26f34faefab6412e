"""Favourites: the candidates that a person saved, in the order of saving."""

from sqlalchemy import ColumnElement, delete, select

from core.records import Favorite
from storage import candidates, clock, events
from storage.database import Session
from storage.tables import CandidateRow, FavoriteRow, RequestRow, UserRow
from storage.upsert import insert_into


async def save(session: Session, user_id: str, candidate_id: str, *, is_saved: bool) -> None:
    """Put a candidate among a user's favourites or take it out; one that is there already keeps its place."""
    if not is_saved:
        await session.execute(delete(FavoriteRow).where(*_one(user_id, candidate_id)))
        return
    insert = insert_into(session, FavoriteRow).values(
        user_id=user_id, candidate_id=candidate_id, created_at=clock.utc_now()
    )
    await session.execute(insert.on_conflict_do_nothing(index_elements=["user_id", "candidate_id"]))


async def toggle(session: Session, user_id: str, candidate_id: str, *, event_id: str) -> bool:
    """Save a candidate, or take it out if it was saved; a replayed event changes nothing. Tell whether it is saved."""
    platform = (await session.scalars(select(UserRow.platform).where(UserRow.id == user_id))).one()
    is_new = await events.first_time(session, platform, event_id, user_id=user_id)
    is_saved = await session.scalar(select(FavoriteRow.id).where(*_one(user_id, candidate_id))) is not None
    if not is_new:
        return is_saved
    await save(session, user_id, candidate_id, is_saved=not is_saved)
    return not is_saved


async def page(session: Session, user_id: str, *, before: str | None, limit: int) -> list[Favorite]:
    """Return up to `limit` of a user's favourites, the last saved first, starting after the candidate `before`.

    A `before` that is no favourite (any more) starts from the newest.
    """
    query = (
        candidates.counted()
        .add_columns(FavoriteRow.created_at, RequestRow.id, RequestRow.idea)
        .join(FavoriteRow, FavoriteRow.candidate_id == CandidateRow.id)
        .join(RequestRow, RequestRow.id == CandidateRow.request_id)
        .where(FavoriteRow.user_id == user_id)
    )
    start = await session.scalar(select(FavoriteRow.id).where(*_one(user_id, before))) if before else None
    if start is not None:
        query = query.where(FavoriteRow.id < start)
    rows = await session.execute(query.order_by(FavoriteRow.id.desc()).limit(limit), {"viewer_id": user_id})
    return [
        Favorite(candidate=candidates.view_of(*counted), request_id=request_id, idea=idea, saved_at=saved_at)
        for *counted, saved_at, request_id, idea in rows
    ]


def _one(user_id: str, candidate_id: str) -> tuple[ColumnElement[bool], ...]:
    return (FavoriteRow.user_id == user_id, FavoriteRow.candidate_id == candidate_id)
