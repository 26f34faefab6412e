"""Which workers are there and what they are doing, so that a chat can say "the model is loading"."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import delete, select

from core.records import ModelInfo, WorkerState, WorkerStatus
from storage import clock
from storage.database import Session
from storage.tables import WorkerRow
from storage.upsert import insert_into

FORGOTTEN_AFTER = timedelta(days=1)


async def announce(
    session: Session,
    worker_id: str,
    state: WorkerState,
    model: ModelInfo | None,
    *,
    metrics: Mapping[str, object] | None = None,
) -> None:
    """Say that a worker is alive and how it serves; call it again at every change and as its heartbeat.

    Workers that were killed cannot leave the list, so those not heard of for a day are taken off it here.
    """
    now = clock.utc_now()
    await session.execute(delete(WorkerRow).where(WorkerRow.heartbeat_at < now - FORGOTTEN_AFTER))
    current = {
        "state": state,
        "base_model": model.base if model else None,
        "adapter": model.adapter if model else None,
        "precision": model.precision if model else None,
        "device": model.device if model else None,
        "metrics": None if metrics is None else dict(metrics),
        "heartbeat_at": now,
    }
    insert = insert_into(session, WorkerRow).values(id=worker_id, started_at=now, **current)
    await session.execute(insert.on_conflict_do_update(index_elements=["id"], set_=current))


async def retire(session: Session, worker_id: str) -> None:
    """Take a worker off the list as it ends; one that is not on it changes nothing."""
    await session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))


async def live(session: Session, *, within_seconds: float) -> list[WorkerStatus]:
    """Return the workers heard of within the last `within_seconds`, longest-running first."""
    since = clock.utc_now() - timedelta(seconds=within_seconds)
    rows = await session.scalars(
        select(WorkerRow).where(WorkerRow.heartbeat_at >= since).order_by(WorkerRow.started_at, WorkerRow.id)
    )
    return [_status_of(row) for row in rows]


def _status_of(row: WorkerRow) -> WorkerStatus:
    return WorkerStatus(
        id=row.id,
        state=row.state,
        model=_model_of(row),
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        metrics=row.metrics,
    )


def _model_of(row: WorkerRow) -> ModelInfo | None:
    if row.base_model is None or row.precision is None or row.device is None:
        return None
    return ModelInfo(base=row.base_model, adapter=row.adapter, precision=row.precision, device=row.device)
