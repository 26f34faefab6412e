"""Candidates with everybody's votes counted, as one viewer sees them."""

from collections.abc import Iterable, Sequence
from functools import cache

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, select
from sqlalchemy.engine import Row

from core.errors import NotFound
from core.records import CandidateView, ModelInfo, Thumb
from storage.database import Session
from storage.tables import CandidateRow, FavoriteRow, VoteRow

Offered = tuple[ModelInfo, tuple[CandidateView, ...]]
# with the votes up and down, the viewer's own vote, and whether the viewer saved it
CountedCandidate = Row[CandidateRow, int, int, Thumb | None, bool]


async def of_requests(session: Session, request_ids: Sequence[str], *, viewer_id: str | None) -> dict[str, Offered]:
    """Return the model and the candidates by rank of each request that has some."""
    grouped: dict[str, list[CountedCandidate]] = {}
    for row in await session.execute(_of_requests(), {"request_ids": request_ids, "viewer_id": viewer_id}):
        grouped.setdefault(row[0].request_id, []).append(row)
    return {request_id: (_model_of(rows[0][0]), _views(rows)) for request_id, rows in grouped.items()}


async def view(session: Session, candidate_id: str, *, viewer_id: str | None) -> CandidateView:
    """Return one candidate.

    Raises:
        NotFound: there is no such candidate.
    """
    row = (await session.execute(_of_id(), {"candidate_id": candidate_id, "viewer_id": viewer_id})).one_or_none()
    if row is None:
        raise NotFound(f"There is no prompt {candidate_id}; it may have been deleted.")
    return view_of(*row)


def counted() -> Select[CandidateRow, int, int, Thumb | None, bool]:
    """Return a SELECT of candidates with what `view_of` needs, to be executed with a `viewer_id`.

    Each count reads its part of one index.
    """
    viewer: BindParameter[str | None] = bindparam("viewer_id")
    mine = (VoteRow.candidate_id == CandidateRow.id, VoteRow.user_id == viewer)
    saved = (FavoriteRow.candidate_id == CandidateRow.id, FavoriteRow.user_id == viewer)
    return select(
        CandidateRow,
        _count(Thumb.UP),
        _count(Thumb.DOWN),
        select(VoteRow.thumb).where(*mine).scalar_subquery(),
        select(FavoriteRow.id).where(*saved).correlate(CandidateRow).exists(),
    )


@cache  # building these costs more than running them
def _of_requests() -> Select[CandidateRow, int, int, Thumb | None, bool]:
    wanted = CandidateRow.request_id.in_(bindparam("request_ids", expanding=True))
    return counted().where(wanted).order_by(CandidateRow.rank)


@cache
def _of_id() -> Select[CandidateRow, int, int, Thumb | None, bool]:
    return counted().where(CandidateRow.id == bindparam("candidate_id"))


def _count(thumb: Thumb) -> ColumnElement[int]:
    votes = select(func.count()).where(VoteRow.candidate_id == CandidateRow.id, VoteRow.thumb == thumb)
    return votes.scalar_subquery()


def _views(rows: Iterable[CountedCandidate]) -> tuple[CandidateView, ...]:
    return tuple(view_of(*row) for row in rows)


def view_of(row: CandidateRow, ups: int, downs: int, mine: Thumb | None, is_saved: bool) -> CandidateView:
    """Return the record of one row of `counted`."""
    return CandidateView(
        id=row.id,
        rank=row.rank,
        text=row.text,
        score=row.score,
        votes_up=ups,
        votes_down=downs,
        my_vote=mine,
        is_saved=bool(is_saved),
    )


def _model_of(row: CandidateRow) -> ModelInfo:
    return ModelInfo(base=row.base_model, adapter=row.adapter, precision=row.precision, device=row.device)
