"""Adapters as people see them: what serves now, what it learned from, what could serve instead.

How one comes to serve is in storage/serving.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import CompoundSelect, Select, func, select, union, update

from core.errors import NotFound
from core.records import ModelStatus, WorkerState, WorkerStatus
from storage import training_runs, workers
from storage.database import Session
from storage.forecast import WORKER_SILENCE_SECONDS
from storage.promotions import PROMOTABLE_STATES
from storage.states import AdapterState
from storage.tables import AdapterRow, CandidateRow, RequestRow, TrainingExampleRow, VoteEventRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What one adapter learned from: its votes, the people who pressed them, and the examples that they went into.

    `labels` counts votes in examples by what they made of them. `num_forgotten` votes are gone since with their people,
    and in none of the other numbers. `cycle_id` is None for an adapter that no cycle trained.
    """

    adapter_id: str
    cycle_id: str | None
    num_votes: int
    num_people: int
    num_examples: int
    num_forgotten: int
    labels: Mapping[str, int]


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
    query = select(AdapterRow.id).where(AdapterRow.training_run_id.in_(runs_that_learned_from(user_id)))
    return tuple(await session.scalars(query.order_by(AdapterRow.id)))


def runs_that_learned_from(user_id: str) -> Select[str]:
    """Return a SELECT of the runs that saw a vote which goes when this person is forgotten."""
    return select(TrainingExampleRow.run_id).where(TrainingExampleRow.vote_event_id.in_(_presses_of(user_id)))


async def count_forgotten(session: Session, user_id: str) -> None:
    """Add to each adapter how many of its votes are about to go with this person."""
    run_id = AdapterRow.training_run_id
    going = select(func.count(TrainingExampleRow.vote_event_id.distinct())).where(
        TrainingExampleRow.run_id == run_id, TrainingExampleRow.vote_event_id.in_(_presses_of(user_id))
    )
    change = update(AdapterRow).where(run_id.in_(runs_that_learned_from(user_id)))
    more = AdapterRow.num_forgotten + going.correlate(AdapterRow).scalar_subquery()
    await session.execute(change.values(num_forgotten=more))


async def lineage(session: Session, adapter_id: str) -> Lineage:
    """Tell what an adapter learned from.

    Raises:
        NotFound: there is no such adapter.
    """
    adapter = await session.get(AdapterRow, adapter_id)
    if adapter is None:
        raise NotFound(f"There is no adapter {adapter_id}; it may be one that was never registered here.")
    num_votes, num_people, num_examples = (await session.execute(_totals(adapter.training_run_id))).one()
    return Lineage(
        adapter_id=adapter_id,
        cycle_id=await training_runs.cycle_of(session, adapter.training_run_id),
        num_votes=num_votes,
        num_people=num_people,
        num_examples=num_examples,
        num_forgotten=adapter.num_forgotten,
        labels=await _labels(session, adapter.training_run_id),
    )


async def num_forgotten(session: Session) -> dict[str, int]:
    """Return how many votes of each adapter are gone with their people, for those that have lost any."""
    query = select(AdapterRow.id, AdapterRow.num_forgotten).where(AdapterRow.num_forgotten > 0)
    return {row.id: row.num_forgotten for row in await session.execute(query)}


def _totals(run_id: str | None) -> Select[int, int, int]:
    """Return a SELECT of a run's votes, the people behind them, and its examples."""
    example = TrainingExampleRow
    counts = select(
        func.count(example.vote_event_id.distinct()),
        func.count(VoteEventRow.user_id.distinct()),
        func.count(func.nullif(example.example, "").distinct()),
    )
    return counts.join(VoteEventRow, VoteEventRow.id == example.vote_event_id).where(example.run_id == run_id)


async def _labels(session: Session, run_id: str | None) -> dict[str, int]:
    label = TrainingExampleRow.label
    query = select(label, func.count()).where(TrainingExampleRow.run_id == run_id).group_by(label).order_by(label)
    return {label: count for label, count in await session.execute(query) if label is not None}


def _presses_of(user_id: str) -> CompoundSelect[int]:
    """Return a SELECT of the presses by this person, and of anybody's on what they asked for: all that go with them."""
    theirs = select(VoteEventRow.id).where(VoteEventRow.user_id == user_id)
    on_theirs = (
        select(VoteEventRow.id)
        .join(CandidateRow, CandidateRow.id == VoteEventRow.candidate_id)
        .join(RequestRow, RequestRow.id == CandidateRow.request_id)
        .where(RequestRow.user_id == user_id)
    )
    return union(theirs, on_theirs)


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
    votes = func.count(TrainingExampleRow.vote_event_id.distinct())
    query: Select[int] = select(votes).where(TrainingExampleRow.run_id == adapter.training_run_id)
    if user_id is not None:
        voted = VoteEventRow.id == TrainingExampleRow.vote_event_id
        query = query.join(VoteEventRow, voted).where(VoteEventRow.user_id == user_id)
    return (await session.scalars(query)).one()
