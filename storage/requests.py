"""Requests as people see them: one, several, a history; and taking one back.

What the queue does with them is in storage/queue.py.
"""

from collections.abc import Sequence

from sqlalchemy import func, select, update

from core.errors import NotFound
from core.records import CandidateView, ModelInfo, RequestState, RequestView
from storage import candidates, clock, forecast
from storage.database import Session
from storage.forecast import Forecast
from storage.tables import RequestRow

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
    rows = (await session.scalars(select(RequestRow).where(RequestRow.id.in_(request_ids)))).all()
    offered = await candidates.of_requests(session, [row.id for row in rows], viewer_id=viewer_id)
    outlook = await forecast.look_ahead(session) if any(not row.state.is_final for row in rows) else None
    return {row.id: _view_of(row, offered.get(row.id), outlook) for row in rows}


async def history(session: Session, user_id: str, *, before: str | None = None, limit: int = 20) -> list[RequestView]:
    """Return a user's requests, newest first, starting after the request id `before`."""
    query = select(RequestRow.id).where(RequestRow.user_id == user_id)
    if before is not None:
        query = query.where(RequestRow.id < before)
    ids = (await session.scalars(query.order_by(RequestRow.id.desc()).limit(limit))).all()
    found = await views(session, ids, viewer_id=user_id)
    return [found[request_id] for request_id in ids]


async def cancel(session: Session, request_id: str, *, user_id: str) -> bool:
    """Take back one's own request, queued or running → cancelled; False if it had already ended.

    Raises:
        NotFound: there is no such request, or it is somebody else's.
    """
    mine = (RequestRow.id == request_id, RequestRow.user_id == user_id)
    cancelled = await session.scalar(
        update(RequestRow)
        .where(*mine, RequestRow.state.in_(OPEN_STATES))
        .values(
            state=RequestState.CANCELLED,
            finished_at=clock.utc_now(),
            lease_token=None,
            lease_expires_at=None,
        )
        .returning(RequestRow.id)
    )
    if cancelled is None and await session.scalar(select(RequestRow.id).where(*mine)) is None:
        raise NotFound(f"There is no request {request_id} of yours to cancel; it may have been deleted.")
    return cancelled is not None


async def count_open(session: Session, *, user_id: str | None = None) -> int:
    """Count the requests that are queued or running, everybody's or one user's."""
    query = select(func.count()).select_from(RequestRow).where(RequestRow.state.in_(OPEN_STATES))
    if user_id is not None:
        query = query.where(RequestRow.user_id == user_id)
    return (await session.scalars(query)).one()


def _view_of(
    row: RequestRow, offered: tuple[ModelInfo, tuple[CandidateView, ...]] | None, outlook: Forecast | None
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
    )
