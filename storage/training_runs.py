"""Training runs: who trains which, how far it is, and how it ended.

Each change of state is one guarded UPDATE. At most one run is running, on all machines that share the database; one
whose process is gone counts as failed as soon as somebody else wants to train. It knows no model and no files.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update

from core.errors import TrainingBusy, TrainingFailed
from core.records import RunState, TrainingProgress, TrainingRunView
from storage import clock
from storage.cycle_tables import CycleRow
from storage.database import Session
from storage.identifiers import new_id
from storage.states import AdapterState
from storage.tables import AdapterRow, TrainingExampleRow, TrainingRunRow, VoteEventRow
from storage.upsert import dialect_of, insert_by_name

VANISHED = "Its process ended without a word; `mjprompt train --resume` goes on from its last checkpoint."
STARTABLE_STATES = (RunState.QUEUED, RunState.STOPPED, RunState.FAILED)
EXAMPLES_PER_INSERT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """The process that trains; `heard_at` is when it last told how far it is."""

    host: str
    process_id: int
    heard_at: datetime


class Owner(NamedTuple):
    """The process that claimed a run; numbers alone repeat, since each container counts its own from 1."""

    host: str
    process_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedVote:
    """One press and the example that it went into: the example's SHA-256 in hexadecimal, and what it made of it."""

    vote_event_id: int
    label: str
    example: str


async def create(
    session: Session,
    *,
    base_model: str,
    base_revision: str | None,
    config: Mapping[str, object],
    seed: int,
    run_id: str | None = None,
) -> str:
    """Add a run that waits for a trainer; return its id, which is a fresh one unless it is given."""
    run_id = run_id or new_id()
    session.add(
        TrainingRunRow(
            id=run_id,
            state=RunState.QUEUED,
            base_model=base_model,
            base_revision=base_revision,
            config=dict(config),
            seed=seed,
            metrics={},
            created_at=clock.utc_now(),
        )
    )
    await session.flush()
    return run_id


async def claim(
    session: Session, run_id: str, *, host: str, process_id: int, folder: str, is_alive: Callable[[Trainer], bool]
) -> None:
    """Make this process the one that trains `run_id`, whose adapter goes to `folder`.

    A running run whose trainer is not alive any more, by `is_alive`, is marked as failed first.

    Raises:
        TrainingBusy: another process trains now.
        TrainingFailed: there is no such run, or it is done.
    """
    await _clear_the_way(session, is_alive)
    now = clock.utc_now()
    claimed = await _change(
        session,
        run_id,
        *STARTABLE_STATES,
        state=RunState.RUNNING,
        host=host,
        process_id=process_id,
        folder=folder,
        heartbeat_at=now,
        started_at=now,
        finished_at=None,
        error=None,
    )
    if not claimed:
        raise TrainingFailed(f"There is no training run {run_id} that could be started; leave --run out for a new one.")


async def require_idle(session: Session, *, is_alive: Callable[[Trainer], bool]) -> None:
    """Refuse where a run is going on; one whose trainer is not alive any more, by `is_alive`, is marked as failed.

    Raises:
        TrainingBusy: another process trains now.
    """
    await _clear_the_way(session, is_alive)


async def describe(
    session: Session,
    run_id: str,
    *,
    base_revision: str | None,
    dataset_hash: str,
    vote_event_ids: Sequence[int] = (),
    examples: Sequence[UsedVote] = (),
) -> int:
    """Keep what the run learns from, and return how many of its votes are gone since they were read.

    Those are left out: whoever was behind them was forgotten, and must not be learned from. A vote is named by
    `examples` once for each example that it went into, or by `vote_event_ids` where its run does not tell them apart.
    """
    await _change(session, run_id, RunState.RUNNING, base_revision=base_revision, dataset_hash=dataset_hash)
    return await keep_votes(session, run_id, vote_event_ids, examples)


async def keep_votes(
    session: Session, run_id: str, vote_event_ids: Sequence[int], examples: Sequence[UsedVote] = ()
) -> int:
    """Keep votes as used by a run, in any state of it; the rest is as in `describe`."""
    used: list[tuple[int, str, str | None]] = [(event, "", None) for event in vote_event_ids]
    used += [(vote.vote_event_id, vote.example, vote.label) for vote in examples]
    gone: set[int] = set()
    for start in range(0, len(used), EXAMPLES_PER_INSERT):
        gone |= await _keep_examples(session, run_id, used[start : start + EXAMPLES_PER_INSERT])
    return len(gone)


async def _keep_examples(session: Session, run_id: str, used: Sequence[tuple[int, str, str | None]]) -> set[int]:
    """Return the votes that are gone; nothing is kept of those."""
    events = {event for event, _, _ in used}
    query = select(VoteEventRow.id).where(VoteEventRow.id.in_(events))
    there = set(await session.scalars(query.with_for_update(read=True, key_share=True)))  # else one may go meanwhile
    rows = [
        {"run_id": run_id, "vote_event_id": event, "example": example, "label": label}
        for event, example, label in used
        if event in there
    ]
    if rows:
        insert = insert_by_name(dialect_of(session), TrainingExampleRow, tuple(rows[0]))
        await session.execute(insert.on_conflict_do_nothing(), rows)
    return events - there


async def report(session: Session, run_id: str, progress: TrainingProgress, *, owner: Owner) -> bool:
    """Tell how far the run is; return whether it is still this process's."""
    values = {**dataclasses.asdict(progress), "heartbeat_at": clock.utc_now()}
    return await _change(session, run_id, RunState.RUNNING, owner=owner, **values)


async def finish(
    session: Session,
    run_id: str,
    *,
    metrics: Mapping[str, object],
    adapter_folder: str,
    sha256: str | None = None,
    owner: Owner | None = None,
) -> bool:
    """Mark the run as done and add its adapter, under the run's own id, as a candidate.

    `sha256` is that of its weights file, in hexadecimal.

    Return whether it was running, by `owner` where one is named; nothing is written where it was not.
    """
    now = clock.utc_now()
    is_ours = await _change(
        session, run_id, RunState.RUNNING, owner=owner, state=RunState.DONE, metrics=dict(metrics), finished_at=now
    )
    if not is_ours:
        return False
    run = await _row(session, run_id)
    session.add(
        AdapterRow(
            id=run_id,
            state=AdapterState.CANDIDATE,
            training_run_id=run_id,
            base_model=run.base_model,
            base_revision=run.base_revision,
            folder=adapter_folder,
            metrics=dict(metrics),
            sha256=sha256,
            created_at=now,
            updated_at=now,
        )
    )
    await session.flush()
    return True


async def stop(session: Session, run_id: str, *, owner: Owner | None = None) -> None:
    """Mark the run as ended for now by whoever ran it, unless that is another than `owner` by now."""
    now = clock.utc_now()
    await _change(session, run_id, RunState.RUNNING, owner=owner, state=RunState.STOPPED, finished_at=now)


async def fail(session: Session, run_id: str, error: str, *, owner: Owner | None = None) -> None:
    """Mark the run as ended without an adapter, unless another than `owner` trains it now; `error` is one sentence."""
    now = clock.utc_now()
    await _change(session, run_id, RunState.RUNNING, owner=owner, state=RunState.FAILED, error=error, finished_at=now)


async def view(session: Session, run_id: str) -> TrainingRunView:
    """Return one run.

    Raises:
        TrainingFailed: there is none of this id.
    """
    return _view_of(await _row(session, run_id))


async def latest(session: Session, *states: RunState, is_of_cycle: bool = False) -> TrainingRunView | None:
    """Return the run that was made last, by hand or by a cycle, in one of `states` where any are given; None: none."""
    cycle = select(CycleRow.id).where(CycleRow.run_id == TrainingRunRow.id).exists()
    query = select(TrainingRunRow).where(cycle if is_of_cycle else ~cycle)
    if states:
        query = query.where(TrainingRunRow.state.in_(states))
    newest = query.order_by(TrainingRunRow.created_at.desc(), TrainingRunRow.id.desc()).limit(1)
    row = await session.scalar(newest)
    return _view_of(row) if row else None


async def cycle_of(session: Session, run_id: str | None) -> str | None:
    """Return the cycle that a run belongs to; None for one that was begun by hand."""
    query = select(CycleRow.id).where(CycleRow.run_id == run_id)
    return await session.scalar(query.order_by(CycleRow.id.desc()).limit(1))


async def _clear_the_way(session: Session, is_alive: Callable[[Trainer], bool]) -> None:
    row = await session.scalar(select(TrainingRunRow).where(TrainingRunRow.state == RunState.RUNNING))
    if row is None:
        return
    trainer = _trainer_of(row)
    if trainer is not None and is_alive(trainer):
        raise TrainingBusy(
            f"The training run {row.id} is going on in process {trainer.process_id} on {trainer.host}; wait for its "
            "end, or stop it (it can be resumed)."
        )
    await fail(session, row.id, VANISHED)


def _trainer_of(row: TrainingRunRow) -> Trainer | None:
    if row.host is None or row.process_id is None or row.heartbeat_at is None:
        return None
    return Trainer(host=row.host, process_id=row.process_id, heard_at=row.heartbeat_at)


async def _change(
    session: Session, run_id: str, *states: RunState, owner: Owner | None = None, **values: object
) -> bool:
    """Change a run that is in one of `states` (and claimed by `owner`); return whether it was."""
    change = update(TrainingRunRow).where(TrainingRunRow.id == run_id, TrainingRunRow.state.in_(states))
    if owner is not None:
        change = change.where(TrainingRunRow.host == owner.host, TrainingRunRow.process_id == owner.process_id)
    return await session.scalar(change.values(**values).returning(TrainingRunRow.id)) is not None


async def _row(session: Session, run_id: str) -> TrainingRunRow:
    row = await session.scalar(select(TrainingRunRow).where(TrainingRunRow.id == run_id))
    if row is None:
        raise TrainingFailed(f"There is no training run {run_id}; leave --run out for a new one.")
    return row


def _view_of(row: TrainingRunRow) -> TrainingRunView:
    return TrainingRunView(
        id=row.id,
        state=row.state,
        base_model=row.base_model,
        base_revision=row.base_revision,
        config=row.config,
        dataset_hash=row.dataset_hash,
        folder=row.folder,
        progress=_progress_of(row),
        metrics=row.metrics,
        error=row.error,
        created_at=row.created_at,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        finished_at=row.finished_at,
    )


def _progress_of(row: TrainingRunRow) -> TrainingProgress | None:
    if row.step is None or row.num_steps is None or row.loss is None:
        return None
    return TrainingProgress(
        step=row.step,
        num_steps=row.num_steps,
        loss=row.loss,
        tokens_per_second=row.tokens_per_second or 0.0,
        eta_seconds=row.eta_seconds or 0.0,
    )
