"""Requests as people see them: one, several, a history; and taking back or deleting one's own.

What the queue does with them is in storage/queue.py, who may see them in storage/access.py.
"""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select, update
from sqlalchemy import delete as delete_rows

from core.errors import NotFound
from core.records import CandidateView, ModelInfo, RequestState, RequestView
from storage import candidates, clock, forecast
from storage.database import Session
from storage.forecast import Forecast
from storage.tables import CandidateRow, RequestRow, UserRow

OPEN_STATES = (RequestState.QUEUED, RequestState.RUNNING)


async def view(session: Session, request_id: str, *, viewer_id: str | None) -> RequestView:
    """Return one request as `viewer_id` sees it.

    Raises:
        NotFound: there is no such request.
    """
    found = await views(session, [request_id], viewer_id=viewer_id)
    if request_id not in found:
        raise NotFound(f"There is no request {request_id}; ask again to get a new one.")
    return found[request_id]


async def require_own(session: Session, request_id: str, *, user_id: str | None) -> None:
    """Check that a request is the user's own.

    Raises:
        NotFound: there is no such request, or it is somebody else's; which of the two is not told.
    """
    mine = select(RequestRow.id).where(RequestRow.id == request_id, RequestRow.user_id == user_id)
    if await session.scalar(mine) is None:
        raise NotFound(f"There is no request {request_id} of yours; ask again to get a new one.")


async def views(session: Session, request_ids: Sequence[str], *, viewer_id: str | None) -> dict[str, RequestView]:
    """Return the requests that exist, by id; the number of queries does not grow with theirs."""
    if not request_ids:
        return {}
    rows = (await session.execute(_asked(), {"ids": request_ids})).all()
    offered = await candidates.of_requests(session, [row.id for row, _ in rows], viewer_id=viewer_id)
    waiting = [row.id for row, _ in rows if not row.state.is_final]
    outlook = await forecast.look_ahead(session, waiting) if waiting else None
    return {
        row.id: _view_of(row, offered.get(row.id), outlook, asker=asker, is_own=row.user_id == viewer_id)
        for row, asker in rows
    }


async def history(session: Session, user_id: str, *, before: str | None = None, limit: int = 20) -> list[RequestView]:
    """Return a user's requests, newest first, starting after the request id `before`."""
    query = select(RequestRow.id).where(RequestRow.user_id == user_id)
    if before is not None:
        query = query.where(RequestRow.id < before)
    ids = (await session.scalars(query.order_by(RequestRow.id.desc()).limit(limit))).all()
    return await _in_order(session, ids, viewer_id=user_id)


async def open_of(session: Session, user_id: str) -> list[RequestView]:
    """Return a user's requests that are queued or running, the oldest first."""
    query = select(RequestRow.id).where(_open_of(user_id)).order_by(RequestRow.id)
    return await _in_order(session, (await session.scalars(query)).all(), viewer_id=user_id)


async def texts_of(session: Session, request_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the prompts that were offered for these requests, in the order of asking and by rank."""
    query = select(CandidateRow.text).where(CandidateRow.request_id.in_(request_ids))
    return tuple(await session.scalars(query.order_by(CandidateRow.request_id, CandidateRow.rank)))


async def cancel(session: Session, request_id: str, *, user_id: str) -> bool:
    """Take back one's own request, queued or running → cancelled; False if it had already ended.

    Raises:
        NotFound: there is no such request, or it is somebody else's.
    """
    mine = (RequestRow.id == request_id, RequestRow.user_id == user_id)
    cancelled = await _cancel(session, and_(*mine, RequestRow.state.in_(OPEN_STATES)))
    if not cancelled and await session.scalar(select(RequestRow.id).where(*mine)) is None:
        raise NotFound(f"There is no request {request_id} of yours to cancel; it may have been deleted.")
    return bool(cancelled)


async def cancel_open(session: Session, user_id: str) -> int:
    """Take back all of a user's requests that are queued or running; return how many."""
    return await _cancel(session, _open_of(user_id))


async def delete(session: Session, request_id: str, *, user_id: str) -> None:
    """Delete one's own request with its prompts, everybody's votes on them and the messages on their way out.

    Raises:
        NotFound: there is no such request, or it is somebody else's.
    """
    mine = (RequestRow.id == request_id, RequestRow.user_id == user_id)
    deleted = await session.scalars(delete_rows(RequestRow).where(*mine).returning(RequestRow.id))
    if deleted.one_or_none() is None:
        raise NotFound(f"There is no request {request_id} of yours to delete; it may have been deleted.")


async def count_open(session: Session, *, user_id: str | None = None) -> int:
    """Count the requests that are queued or running, everybody's or one user's."""
    return (await session.scalars(_num_open(of_one=user_id is not None), {"user_id": user_id})).one()


@cache  # building it costs more than running it
def _asked() -> Select[RequestRow, str | None]:
    asked = select(RequestRow, UserRow.display_name).join(UserRow, UserRow.id == RequestRow.user_id)
    return asked.where(RequestRow.id.in_(bindparam("ids", expanding=True)))


@cache
def _num_open(*, of_one: bool) -> Select[int]:
    num_open = select(func.count()).select_from(RequestRow).where(RequestRow.state.in_(OPEN_STATES))
    return num_open.where(RequestRow.user_id == bindparam("user_id")) if of_one else num_open


def _open_of(user_id: str) -> ColumnElement[bool]:
    return and_(RequestRow.user_id == user_id, RequestRow.state.in_(OPEN_STATES))


async def _cancel(session: Session, guard: ColumnElement[bool]) -> int:
    """Cancel the requests that `guard` lets through; return how many."""
    values = {"state": RequestState.CANCELLED, "finished_at": clock.utc_now()}
    statement = update(RequestRow).where(guard).values({**values, "lease_token": None, "lease_expires_at": None})
    return len((await session.scalars(statement.returning(RequestRow.id))).all())


async def _in_order(session: Session, ids: Sequence[str], *, viewer_id: str) -> list[RequestView]:
    found = await views(session, ids, viewer_id=viewer_id)
    return [found[request_id] for request_id in ids]


def _view_of(
    row: RequestRow,
    offered: tuple[ModelInfo, tuple[CandidateView, ...]] | None,
    outlook: Forecast | None,
    *,
    asker: str | None,
    is_own: bool,
) -> RequestView:
    model, prompts = offered if offered else (None, ())
    return RequestView(
        id=row.id,
        idea=row.idea,
        subject=row.subject,
        state=row.state,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        position=outlook.positions.get(row.id) if outlook else None,
        eta_seconds=outlook.eta_seconds(row.id, started_at=row.started_at, state=row.state) if outlook else None,
        decoding_seconds=row.decoding_seconds,
        error=row.error,
        model=model,
        candidates=prompts,
        kind=row.kind,
        is_private=row.is_private,
        is_own=is_own,
        asker_name=asker,
    )
