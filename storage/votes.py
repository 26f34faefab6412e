"""Votes: one row per user and candidate says what they think now; append-only events keep every press.

Platforms repeat presses and deliver them out of order: a press that came before changes nothing, and one that is older
than the user's latest on the same candidate is kept without moving the vote.
"""

from datetime import datetime
from functools import cache

from sqlalchemy import BindParameter, Delete, Insert, Select, bindparam, delete, func, select
from sqlalchemy.sql.dml import ReturningInsert

from core.errors import NotFound
from core.records import CandidateView, Thumb
from storage import candidates, clock
from storage.database import Session
from storage.tables import CandidateRow, UserRow, VoteEventRow, VoteRow
from storage.upsert import dialect_of, insert_by_name

USER: BindParameter[str] = bindparam("user")
CANDIDATE: BindParameter[str] = bindparam("candidate")


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


async def press(
    session: Session, *, user_id: str, candidate_id: str, thumb: Thumb, event_id: str, occurred_at: datetime | None
) -> Thumb | None:
    """Press a user's thumb on a candidate: the same again takes it back, the other changes it.

    `event_id` names the press, as in `cast`; `occurred_at` is when the person pressed (None: now, whatever came
    before). Return the vote that stands then.

    Raises:
        NotFound: there is no such candidate.
    """
    await _take_turn(session, candidate_id)
    current, latest = await _standing(session, user_id, candidate_id)
    is_late = occurred_at is not None and latest is not None and occurred_at < latest
    wanted = None if thumb is current and not is_late else thumb
    vote_event_id = await _append_event(
        session,
        user_id=user_id,
        candidate_id=candidate_id,
        thumb=wanted,
        event_id=event_id,
        occurred_at=occurred_at,
    )
    if vote_event_id is None or is_late:
        return current
    await _apply(session, user_id, candidate_id, wanted, vote_event_id)
    return wanted


async def _take_turn(session: Session, candidate_id: str) -> None:
    """Let presses on one candidate follow each other where several transactions write at once: not on SQLite."""
    if dialect_of(session) != "sqlite":
        await session.execute(select(CandidateRow.id).where(CandidateRow.id == candidate_id).with_for_update())


async def _standing(session: Session, user_id: str, candidate_id: str) -> tuple[Thumb | None, datetime | None]:
    """Return a user's vote on a candidate and when they last pressed there, each None if there is none.

    Raises:
        NotFound: there is no such candidate, or the user was forgotten a moment ago.
    """
    found = (await session.execute(_standing_query(), {"user": user_id, "candidate": candidate_id})).one_or_none()
    if found is None:
        raise NotFound(f"There is no prompt {candidate_id}; it may have been deleted.")
    vote, latest = found
    return vote, latest


async def _append_event(
    session: Session,
    *,
    user_id: str,
    candidate_id: str,
    thumb: Thumb | None,
    event_id: str,
    occurred_at: datetime | None = None,
) -> int | None:
    """Return the new event's id, or None if the event was there before."""
    event = {
        "user_id": user_id,
        "candidate_id": candidate_id,
        "event_id": event_id,
        "thumb": thumb,
        "occurred_at": occurred_at,
        "created_at": clock.utc_now(),
    }
    return (await session.scalars(_event_insert(dialect_of(session)), event)).one_or_none()


async def _apply(session: Session, user_id: str, candidate_id: str, thumb: Thumb | None, vote_event_id: int) -> None:
    if thumb is None:
        await session.execute(_vote_delete(), {"user": user_id, "candidate": candidate_id})
        return
    now = clock.utc_now()
    vote = {
        "user_id": user_id,
        "candidate_id": candidate_id,
        "thumb": thumb,
        "vote_event_id": vote_event_id,
        "created_at": now,
        "updated_at": now,
    }
    await session.execute(_vote_upsert(dialect_of(session)), vote)


# Statements of the press, built once: building one costs more than running it.


@cache
def _standing_query() -> Select[Thumb | None, datetime | None]:
    vote = select(VoteRow.thumb).where(VoteRow.user_id == USER, VoteRow.candidate_id == CANDIDATE)
    mine = (VoteEventRow.user_id == USER, VoteEventRow.candidate_id == CANDIDATE)
    latest = select(func.max(VoteEventRow.occurred_at)).where(*mine)
    candidate = select(CandidateRow.id).where(CandidateRow.id == CANDIDATE)
    user = select(UserRow.id).where(UserRow.id == USER)
    return select(vote.scalar_subquery(), latest.scalar_subquery()).where(candidate.exists(), user.exists())


@cache
def _event_insert(dialect: str) -> ReturningInsert[int]:
    columns = ("user_id", "candidate_id", "event_id", "thumb", "occurred_at", "created_at")
    insert = insert_by_name(dialect, VoteEventRow, columns)
    return insert.on_conflict_do_nothing(index_elements=["user_id", "event_id"]).returning(VoteEventRow.id)


@cache
def _vote_upsert(dialect: str) -> Insert:
    columns = ("user_id", "candidate_id", "thumb", "vote_event_id", "created_at", "updated_at")
    insert = insert_by_name(dialect, VoteRow, columns)
    changed = {column: insert.excluded[column] for column in ("thumb", "vote_event_id", "updated_at")}
    return insert.on_conflict_do_update(index_elements=["user_id", "candidate_id"], set_=changed)


@cache
def _vote_delete() -> Delete:
    return delete(VoteRow).where(VoteRow.user_id == USER, VoteRow.candidate_id == CANDIDATE)
