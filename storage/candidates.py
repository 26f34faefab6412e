"""Candidates with everybody's votes counted, as one viewer sees them."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Select, case, func, select
from sqlalchemy.engine import Row

from core.errors import NotFound
from core.records import CandidateView, ModelInfo, Thumb
from storage.database import Session
from storage.tables import CandidateRow, VoteRow

Offered = tuple[ModelInfo, tuple[CandidateView, ...]]
CountedCandidate = Row[CandidateRow, int, int, str | None]


async def of_requests(session: Session, request_ids: Sequence[str], *, viewer_id: str | None) -> dict[str, Offered]:
    """Return the model and the candidates by rank of each request that has some."""
    query = _counted(viewer_id).where(CandidateRow.request_id.in_(request_ids)).order_by(CandidateRow.rank)
    grouped: dict[str, list[CountedCandidate]] = {}
    for counted in await session.execute(query):
        grouped.setdefault(counted[0].request_id, []).append(counted)
    return {request_id: (_model_of(rows[0][0]), _views(rows)) for request_id, rows in grouped.items()}


async def view(session: Session, candidate_id: str, *, viewer_id: str | None) -> CandidateView:
    """Return one candidate.

    Raises:
        NotFound: there is no such candidate.
    """
    counted = (await session.execute(_counted(viewer_id).where(CandidateRow.id == candidate_id))).one_or_none()
    if counted is None:
        raise NotFound(f"There is no prompt {candidate_id}; it may have been deleted.")
    return _view_of(counted)


def _counted(viewer_id: str | None) -> Select[CandidateRow, int, int, str | None]:
    ups = func.count(case((VoteRow.thumb == Thumb.UP, 1)))
    downs = func.count(case((VoteRow.thumb == Thumb.DOWN, 1)))
    mine = func.max(case((VoteRow.user_id == viewer_id, VoteRow.thumb)))
    return (
        select(CandidateRow, ups, downs, mine)
        .outerjoin(VoteRow, VoteRow.candidate_id == CandidateRow.id)
        .group_by(CandidateRow.id)
    )


def _views(rows: Iterable[CountedCandidate]) -> tuple[CandidateView, ...]:
    return tuple(_view_of(row) for row in rows)


def _view_of(counted: CountedCandidate) -> CandidateView:
    row, ups, downs, mine = counted
    return CandidateView(
        id=row.id,
        rank=row.rank,
        text=row.text,
        score=row.score,
        votes_up=ups,
        votes_down=downs,
        my_vote=Thumb(mine) if mine else None,
    )


def _model_of(row: CandidateRow) -> ModelInfo:
    return ModelInfo(base=row.base_model, adapter=row.adapter, precision=row.precision, device=row.device)
