"""Requests that go on from others: what was queued before, and what its answers said."""

from sqlalchemy import select

from core.errors import NotFound
from core.records import NewRequest, RequestKind
from storage.database import Session
from storage.tables import CandidateRow, RequestRow


async def origin(session: Session, request_id: str) -> NewRequest:
    """Return a request as it was queued, to be queued again in another form; its timeout is the default.

    Raises:
        NotFound: there is no such request.
    """
    row = await session.get(RequestRow, request_id)
    if row is None:
        raise NotFound(f"There is no request {request_id}; ask again to get a new one.")
    return NewRequest(
        idea=row.idea,
        subject=row.subject,
        parameters=row.parameters,
        images=tuple(row.images),
        midjourney_version=row.midjourney_version,
        num_candidates=row.num_candidates,
        kind=row.kind,
        parent_id=row.parent_id,
        is_private=row.is_private,
    )


async def answers_so_far(session: Session, request_id: str, *, user_id: str, limit: int) -> tuple[str, ...]:
    """Return the newest texts given to a request, to those it re-rolls, and to the user's other re-rolls of them."""
    family = await _ancestors(session, request_id)
    family |= await _rerolls(session, family, user_id=user_id)
    newest = (
        select(CandidateRow.text)
        .where(CandidateRow.request_id.in_(family))
        .order_by(CandidateRow.request_id.desc(), CandidateRow.rank)
        .limit(limit)
    )
    return tuple(await session.scalars(newest))


async def _ancestors(session: Session, request_id: str) -> set[str]:
    found: set[str] = set()
    following: str | None = request_id
    while following is not None and following not in found:
        found.add(following)
        following = await session.scalar(
            select(RequestRow.parent_id).where(RequestRow.id == following, RequestRow.kind == RequestKind.REROLL)
        )
    return found


async def _rerolls(session: Session, of: set[str], *, user_id: str) -> set[str]:
    found: set[str] = set()
    following = of
    while following:
        query = select(RequestRow.id).where(
            RequestRow.parent_id.in_(following),
            RequestRow.kind == RequestKind.REROLL,
            RequestRow.user_id == user_id,
        )
        following = set(await session.scalars(query)) - found - of
        found |= following
    return found
