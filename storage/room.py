"""Room on a GPU: what a cycle asks of the workers on its machine while it trains, and requests that wait meanwhile.

A wish ends with the states that need it, and with the process that made it. It knows no GPU.
"""

from datetime import timedelta

from sqlalchemy import func, select, update

from core.cycles import CycleState, Room
from core.records import RequestState
from storage import clock, cycles
from storage.cycle_tables import CycleRow
from storage.database import Session
from storage.tables import RequestRow

BUSY_STATES = (CycleState.TRAINING, CycleState.EVALUATING)
SILENCE = timedelta(seconds=30)  # a living process is heard of every two seconds


async def ask(session: Session, cycle_id: str, room: Room) -> None:
    """Keep what an open cycle asks for until it has trained and measured."""
    await cycles.note(session, cycle_id, room=room.value)


async def asked(session: Session, host: str) -> Room | None:
    """Return what the cycle that is carried out on `host` asks of the workers there; None for nothing."""
    since = clock.utc_now() - SILENCE
    found: str | None = await session.scalar(
        select(CycleRow.room).where(
            CycleRow.is_open, CycleRow.state.in_(BUSY_STATES), CycleRow.host == host, CycleRow.heartbeat_at >= since
        )
    )
    return None if found is None else Room(found)


async def hold_deadlines(session: Session, *, seconds: float) -> None:
    """Leave every waiting request at least so many seconds from now, since nobody can answer it at present."""
    held = clock.utc_now() + timedelta(seconds=seconds)
    await session.execute(
        update(RequestRow)
        .where(RequestRow.state == RequestState.QUEUED, RequestRow.deadline < held)
        .values(deadline=held)
    )


async def num_open_requests(session: Session) -> int:
    """Return how many requests wait or are answered now."""
    is_open = RequestRow.state.in_((RequestState.QUEUED, RequestState.RUNNING))
    return await session.scalar(select(func.count()).select_from(RequestRow).where(is_open)) or 0
