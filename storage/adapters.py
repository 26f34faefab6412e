"""Adapters as people see them: what serves now, what it learned from, what could serve instead."""

from collections.abc import Sequence

from sqlalchemy import Select, func, select, union

from core.records import ModelStatus, WorkerState, WorkerStatus
from storage import workers
from storage.database import Session
from storage.forecast import WORKER_SILENCE_SECONDS
from storage.states import AdapterState
from storage.tables import AdapterRow, CandidateRow, RequestRow, TrainingExampleRow, VoteEventRow

PROMOTABLE_STATES = (AdapterState.CANDIDATE, AdapterState.CANARY, AdapterState.RETIRED)


async def status(session: Session, *, viewer_id: str | None) -> ModelStatus:
    """Tell which model answers now, since when, and how much of its adapter the viewer's votes taught it."""
    worker = _best(await workers.live(session, within_seconds=WORKER_SILENCE_SECONDS))
    adapter = await _active(session, worker)
    since = [moment for moment in (worker and worker.started_at, adapter and adapter.updated_at) if moment]
    return ModelStatus(
        model=worker.model if worker else None,
        is_ready=worker is not None and worker.state is WorkerState.READY,
        since=max(since, default=None),
        adapter_id=adapter.id if adapter else None,
        num_votes=await _count_votes(session, adapter),
        num_own_votes=await _count_votes(session, adapter, user_id=viewer_id) if viewer_id else 0,
    )


async def names(session: Session) -> list[str]:
    """Return the ids of the adapters that could be promoted, newest first."""
    query = select(AdapterRow.id).where(AdapterRow.state.in_(PROMOTABLE_STATES))
    return list(await session.scalars(query.order_by(AdapterRow.created_at.desc(), AdapterRow.id.desc())))


async def that_learned_from(session: Session, user_id: str) -> tuple[str, ...]:
    """Return the adapters of the runs that saw a vote by this person, or anybody's vote on what they asked for."""
    theirs = select(VoteEventRow.id).where(VoteEventRow.user_id == user_id)
    on_theirs = (
        select(VoteEventRow.id)
        .join(CandidateRow, CandidateRow.id == VoteEventRow.candidate_id)
        .join(RequestRow, RequestRow.id == CandidateRow.request_id)
        .where(RequestRow.user_id == user_id)
    )
    runs = select(TrainingExampleRow.run_id).where(TrainingExampleRow.vote_event_id.in_(union(theirs, on_theirs)))
    query = select(AdapterRow.id).where(AdapterRow.training_run_id.in_(runs))
    return tuple(await session.scalars(query.order_by(AdapterRow.id)))


def _best(live: Sequence[WorkerStatus]) -> WorkerStatus | None:
    """Choose the longest-running worker that is ready, else one that is draining, else one that is loading."""
    preference = (WorkerState.READY, WorkerState.DRAINING, WorkerState.LOADING)
    return min(live, key=lambda worker: preference.index(worker.state), default=None)


async def _active(session: Session, worker: WorkerStatus | None) -> AdapterRow | None:
    """Return the adapter that the worker's model has; while none is loaded, the one that is meant to serve."""
    query = select(AdapterRow)
    if worker is not None and worker.model is not None:
        return await session.scalar(query.where(AdapterRow.id == worker.model.adapter))
    active = query.where(AdapterRow.state == AdapterState.ACTIVE)
    return await session.scalar(active.order_by(AdapterRow.updated_at.desc(), AdapterRow.id.desc()).limit(1))


async def _count_votes(session: Session, adapter: AdapterRow | None, *, user_id: str | None = None) -> int:
    if adapter is None:
        return 0
    query: Select[int] = (
        select(func.count()).select_from(TrainingExampleRow).where(TrainingExampleRow.run_id == adapter.training_run_id)
    )
    if user_id is not None:
        voted = VoteEventRow.id == TrainingExampleRow.vote_event_id
        query = query.join(VoteEventRow, voted).where(VoteEventRow.user_id == user_id)
    return (await session.scalars(query)).one()
