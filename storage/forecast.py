"""How long somebody still has to wait: the position in the queue and an estimate from recent answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from statistics import fmean

from sqlalchemy import Select, bindparam, func, select

from core.records import RequestState, WorkerState
from storage import clock
from storage.database import Session
from storage.queue_order import positions
from storage.tables import RequestRow, WorkerRow

NUM_RECENT_REQUESTS = 20
WORKER_SILENCE_SECONDS = 30.0  # a worker not heard of for longer counts as gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The queue at one moment.

    `positions` counts from 1 by the id of the requests that were asked for. `mean_seconds` is what an answer took
    lately, from claim to end (None when nothing has been answered yet); `capacity` is how many requests are worked on
    at once (0 without a worker).
    """

    now: datetime
    positions: Mapping[str, int]
    mean_seconds: float | None
    capacity: int

    def eta_seconds(self, request_id: str, *, started_at: datetime | None, state: RequestState) -> float | None:
        """Estimate the seconds until a request's answer; None once it has ended, or when nothing is known."""
        if self.mean_seconds is None or self.capacity == 0:
            return None
        if state is RequestState.RUNNING and started_at is not None:
            return max(0.0, self.mean_seconds - (self.now - started_at).total_seconds())
        position = self.positions.get(request_id)
        return None if position is None else self.mean_seconds * max(1.0, position / self.capacity)


async def look_ahead(session: Session, request_ids: Sequence[str]) -> Forecast:
    """Read what a forecast for some requests needs, in three queries whatever the length of the queue."""
    now = clock.utc_now()
    return Forecast(
        now=now,
        positions=dict((await session.execute(positions(), {"ids": request_ids})).all()),
        mean_seconds=await _mean_seconds(session),
        capacity=await _capacity(session, now),
    )


async def _mean_seconds(session: Session) -> float | None:
    recent = await session.execute(_recent())
    durations = [(end - start).total_seconds() for start, end in recent if start is not None and end is not None]
    return fmean(durations) if durations else None


async def _capacity(session: Session, now: datetime) -> int:
    """Count the ready workers, or what they hold in their batches if that is more."""
    heard_since = {"heard_since": now - timedelta(seconds=WORKER_SILENCE_SECONDS)}
    num_workers, num_running = (await session.execute(_at_work(), heard_since)).one()
    return max(num_workers, num_running) if num_workers else 0


# Statements of every look at an open request, built once: building one costs more than running it.


@cache
def _recent() -> Select[datetime | None, datetime | None]:
    """When each of the newest answers was begun and done."""
    done = select(RequestRow.started_at, RequestRow.finished_at).where(RequestRow.state == RequestState.DONE)
    return done.order_by(RequestRow.finished_at.desc()).limit(NUM_RECENT_REQUESTS)


@cache
def _at_work() -> Select[int, int]:
    """How many workers are ready and were heard of, and how many requests are worked on."""
    is_ready = (WorkerRow.state == WorkerState.READY, WorkerRow.heartbeat_at >= bindparam("heard_since"))
    workers = select(func.count()).select_from(WorkerRow).where(*is_ready)
    running = select(func.count()).select_from(RequestRow).where(RequestRow.state == RequestState.RUNNING)
    return select(workers.scalar_subquery(), running.scalar_subquery())
