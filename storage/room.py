"""Room on a GPU: what a cycle asks of the workers on its machine while it trains, and requests that wait meanwhile.

A wish ends with the states that need it, and with the process that made it. It knows no GPU.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from core.cycles import CycleState, Room
from core.records import RequestState, WorkerStatus
from storage import clock, cycles, workers
from storage.cycle_tables import CycleRow
from storage.database import Session
from storage.forecast import WORKER_SILENCE_SECONDS
from storage.tables import RequestRow

BUSY_STATES = (CycleState.TRAINING, CycleState.EVALUATING)
SILENCE = timedelta(seconds=30)  # a living process is heard of every two seconds
AFTERMATH = timedelta(seconds=60)  # after which the memory of a cycle that has ended is free for sure


async def ask(session: Session, cycle_id: str, room: Room) -> None:
    """Keep what an open cycle asks for until it has trained and measured."""
    await cycles.note(session, cycle_id, room=room.value)


async def asked(session: Session, host: str) -> Room | None:
    """Return what the cycle that is carried out on `host` asks of the workers there; None for nothing."""
    found: str | None = await session.scalar(select(CycleRow.room).where(_is_busy_on(host)))
    return None if found is None else Room(found)


async def wish_of(session: Session, cycle_id: str) -> Room | None:
    """Return what a cycle has asked for, in this process or in one that died."""
    found: str | None = await session.scalar(select(CycleRow.room).where(CycleRow.id == cycle_id))
    return None if found is None else Room(found)


async def is_training(session: Session, host: str) -> bool:
    """Say whether a cycle trains or measures on `host`, or one that asked for room did a moment ago."""
    since = clock.utc_now() - AFTERMATH
    is_past = CycleRow.state.not_in(BUSY_STATES)
    has_just_ended = and_(CycleRow.room.is_not(None), is_past, CycleRow.updated_at >= since)
    found = await session.scalar(select(CycleRow.id).where(or_(_is_busy_on(host), has_just_ended)).limit(1))
    return found is not None


async def workers_on(session: Session, host: str) -> list[WorkerStatus]:
    """Return the live workers on `host`."""
    live = await workers.live(session, within_seconds=WORKER_SILENCE_SECONDS)
    return [worker for worker in live if worker.host == host]


async def hold_deadlines(session: Session, *, seconds: float) -> None:
    """Leave every waiting request at least so many seconds from now, since nobody can answer it at present."""
    now = clock.utc_now()
    held = now + timedelta(seconds=seconds)
    await session.execute(
        update(RequestRow)
        .where(RequestRow.state == RequestState.QUEUED, RequestRow.deadline > now, RequestRow.deadline < held)
        .values(deadline=held)
    )


async def num_open_requests(session: Session) -> int:
    """Return how many requests wait or are answered now."""
    is_open = RequestRow.state.in_((RequestState.QUEUED, RequestState.RUNNING))
    return await session.scalar(select(func.count()).select_from(RequestRow).where(is_open)) or 0


def _is_busy_on(host: str) -> ColumnElement[bool]:
    since = clock.utc_now() - SILENCE
    is_here = and_(CycleRow.host == host, CycleRow.heartbeat_at >= since)
    return and_(CycleRow.is_open, CycleRow.state.in_(BUSY_STATES), is_here)
