"""Cycles of learning from votes: who carries which out, how far it is, and how it ended.

Each change is one guarded UPDATE. At most one cycle is open, on all machines that share the database; one whose process
is gone goes on under the next that claims it. It knows no votes, no model and no files.
"""

import json
from collections.abc import Callable, Mapping

from sqlalchemy import ColumnElement, Select, Text, and_, cast, select, update

from core.cycles import CycleState, CycleView
from core.errors import NotFound, TrainingBusy
from storage import adapters, clock, serving, training_runs
from storage.cycle_tables import CycleRow
from storage.cycle_views import history_step, trainer_of, view_of
from storage.database import Session
from storage.identifiers import new_id
from storage.training_runs import Owner, Trainer
from storage.upsert import insert_into

FORGOTTEN = "Somebody whose votes it learned from was forgotten; start a new one."
CANCELLED = "It was taken back before it began."
UNNAMED = "forgotten"  # instead of the id of somebody who is
UNCLAIMED: Mapping[str, object] = {"host": None, "process_id": None, "heartbeat_at": None}


async def create(
    session: Session,
    *,
    base_model: str,
    champion_id: str | None,
    config: Mapping[str, object],
    is_automatic: bool,
    asked_by: str | None = None,
) -> str:
    """Plan a cycle that has to beat `champion_id` (None: the base alone); return its id.

    Raises:
        TrainingBusy: another cycle is open.
    """
    now = clock.utc_now()
    insert = insert_into(session, CycleRow).values(
        id=new_id(),
        state=CycleState.PLANNED,
        is_open=True,
        base_model=base_model,
        is_automatic=is_automatic,
        asked_by=asked_by,
        champion_id=champion_id,
        config=dict(config),
        history=[history_step(CycleState.PLANNED, now)],
        is_cancel_wanted=False,
        created_at=now,
        updated_at=now,
    )
    cycle_id: str | None = await session.scalar(insert.on_conflict_do_nothing().returning(CycleRow.id))
    if cycle_id is None:
        raise await _busy(session)
    return cycle_id


async def claim(session: Session, cycle_id: str, *, owner: Owner, is_alive: Callable[[Trainer], bool]) -> CycleView:
    """Make `owner` the process that carries an open cycle out, where none does that is alive by `is_alive`.

    Raises:
        TrainingBusy: another process carries it out.
        NotFound: there is no open cycle of this id.
    """
    row = await session.scalar(_open().where(CycleRow.id == cycle_id))
    if row is None:
        raise NotFound(f"There is no open cycle {cycle_id}; it has ended, or `mjprompt retrain` starts a new one.")
    former = trainer_of(row)
    if former is not None and (former.host, former.process_id) != owner and is_alive(former):
        raise TrainingBusy(
            f"The cycle {cycle_id} is carried out by process {former.process_id} on {former.host}; wait for its end, "
            "or cancel it."
        )
    is_unchanged = and_(
        CycleRow.host.is_not_distinct_from(row.host),
        CycleRow.process_id.is_not_distinct_from(row.process_id),
        CycleRow.heartbeat_at.is_not_distinct_from(row.heartbeat_at),
    )
    now = clock.utc_now()
    values = {"host": owner.host, "process_id": owner.process_id, "heartbeat_at": now}
    if not await _change(session, cycle_id, is_unchanged, **values):
        raise TrainingBusy(f"Another process began to carry out the cycle {cycle_id} at this moment; leave it to that.")
    return await view(session, cycle_id)


async def heartbeat(session: Session, cycle_id: str, *, owner: Owner) -> bool:
    """Tell that `owner` still carries the cycle out; return whether it does."""
    return await _change(session, cycle_id, _is_of(owner), heartbeat_at=clock.utc_now())


async def release(session: Session, cycle_id: str, *, owner: Owner) -> None:
    """Leave an open cycle to whoever claims it next, unless that is another than `owner` by now."""
    await _change(session, cycle_id, _is_of(owner), **UNCLAIMED)


async def owner_of(session: Session, cycle_id: str) -> Trainer | None:
    """Return the process that carries a cycle out; None while nobody does."""
    row = await session.scalar(select(CycleRow).where(CycleRow.id == cycle_id))
    return trainer_of(row) if row else None


async def advance(
    session: Session,
    cycle_id: str,
    *,
    before: CycleState,
    after: CycleState,
    owner: Owner | None = None,
    **values: object,
) -> bool:
    """Move a cycle on, with `values` for its other columns; return whether it was in `before` (and `owner`'s).

    A state in which nothing is left to be done ends the cycle, which is nobody's then.
    """
    conditions = [CycleRow.state == before, *([_is_of(owner)] if owner else [])]
    history = await session.scalar(select(CycleRow.history).where(CycleRow.id == cycle_id, *conditions))
    if history is None:
        return False
    now = clock.utc_now()
    values |= {"state": after, "history": [*history, history_step(after, now)]}
    if not after.is_open:
        values |= {"is_open": False, "finished_at": now, **UNCLAIMED}
    return await _change(session, cycle_id, *conditions, **values)


async def note(session: Session, cycle_id: str, **values: object) -> bool:
    """Keep `values` (such as the canary's tally) beside the state of a cycle; return whether it is open."""
    return await _change(session, cycle_id, **values)


async def request_cancel(session: Session, cycle_id: str) -> CycleState | None:
    """Ask for the end of an open cycle and return its state then; None where it is not open.

    One that nobody has begun is cancelled at once; else whoever carries it out ends it, and cleans up.
    """
    row = await session.scalar(_open().where(CycleRow.id == cycle_id))
    if row is None:
        return None
    if row.state is CycleState.PLANNED and row.host is None:
        await advance(session, cycle_id, before=CycleState.PLANNED, after=CycleState.CANCELLED, reason=CANCELLED)
    else:
        await _change(session, cycle_id, is_cancel_wanted=True)
    return await session.scalar(select(CycleRow.state).where(CycleRow.id == cycle_id))


async def finish(
    session: Session, cycle_id: str, *, after: CycleState, reason: str, owner: Owner | None = None
) -> bool:
    """End an open cycle in `after`, whatever its state; return whether it was open (and `owner`'s).

    Its adapter, if it has one, is left as it is.
    """
    row = await session.scalar(_open().where(CycleRow.id == cycle_id))
    return row is not None and await advance(
        session, cycle_id, before=row.state, after=after, owner=owner, reason=reason
    )


async def cancel_because_forgotten(session: Session, user_id: str) -> str | None:
    """Cancel the open cycle if its run has learned from what goes with this person; return its id if so.

    Its run ends as well, and its adapter is rejected. Call it before the person's rows go.
    """
    learned = adapters.runs_that_learned_from(user_id)
    row = await session.scalar(_open().where(CycleRow.run_id.in_(learned)))
    if row is None or not await advance(
        session, row.id, before=row.state, after=CycleState.CANCELLED, reason=FORGOTTEN
    ):
        return None
    if row.run_id is not None:
        await training_runs.fail(session, row.run_id, FORGOTTEN)
        await serving.reject(session, row.run_id, FORGOTTEN)
    return row.id


async def unname(session: Session, user_id: str) -> None:
    """Take a person's id out of what cycles say became of the votes, which names the accounts that were set aside."""
    is_named = cast(CycleRow.feedback, Text).contains(user_id)
    for cycle_id, feedback in (await session.execute(select(CycleRow.id, CycleRow.feedback).where(is_named))).all():
        without = json.loads(json.dumps(feedback).replace(user_id, UNNAMED))
        await session.execute(update(CycleRow).where(CycleRow.id == cycle_id).values(feedback=without))


async def view(session: Session, cycle_id: str) -> CycleView:
    """Return one cycle.

    Raises:
        NotFound: there is none of this id.
    """
    row = await session.scalar(select(CycleRow).where(CycleRow.id == cycle_id))
    if row is None:
        raise NotFound(f"There is no cycle {cycle_id}; it may be one of another database.")
    return view_of(row)


async def open_cycle(session: Session) -> CycleView | None:
    """Return the cycle that is open; None when none is."""
    row = await session.scalar(_open())
    return view_of(row) if row else None


async def latest(session: Session) -> CycleView | None:
    """Return the cycle that is open, else the one that was made last; None before the first."""
    return next(iter(await recent(session, limit=1)), None)


async def recent(session: Session, *, limit: int) -> tuple[CycleView, ...]:
    """Return the newest cycles, the open one first whatever the clock said when it was made."""
    query = select(CycleRow).order_by(CycleRow.is_open.desc(), CycleRow.id.desc()).limit(limit)
    return tuple(view_of(row) for row in await session.scalars(query))


def _open() -> Select[CycleRow]:
    return select(CycleRow).where(CycleRow.is_open)


def _is_of(owner: Owner) -> ColumnElement[bool]:
    return and_(CycleRow.host == owner.host, CycleRow.process_id == owner.process_id)


async def _busy(session: Session) -> TrainingBusy:
    row = await session.scalar(_open())
    if row is None:  # it ended at this very moment
        return TrainingBusy("Another cycle was open a moment ago; try again.")
    return TrainingBusy(f"The cycle {row.id} is open, in the state {row.state}; wait for its end, or cancel it.")


async def _change(session: Session, cycle_id: str, *conditions: ColumnElement[bool], **values: object) -> bool:
    """Change an open cycle that meets the conditions; return whether it does.

    A heartbeat alone is no change that people see, so that `updated_at` stays.
    """
    if set(values) - set(UNCLAIMED):
        values["updated_at"] = clock.utc_now()
    change = update(CycleRow).where(CycleRow.id == cycle_id, CycleRow.is_open, *conditions)
    return await session.scalar(change.values(**values).returning(CycleRow.id)) is not None
