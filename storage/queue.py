"""The queue of requests: a small port, and its form on the requests table itself.

Each transition is one guarded UPDATE: it names the state that it leaves and, for a worker, the lease that it
holds, so whoever comes second changes nothing. It does not know what a worker does with a request.

    queued ──claim──► running ──complete──► done
       ▲                 │ ├─────fail─────► failed      (also return_stalled, after the last attempt)
       └── fail, release, return_stalled
    queued or running ──expire_overdue──► expired       (and storage.requests.cancel ──► cancelled)
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Protocol

from sqlalchemy import ColumnElement, and_, bindparam, case, select, tuple_, update
from sqlalchemy.sql.dml import ReturningInsert

from core.records import CandidateDraft, ClaimedRequest, ModelInfo, NewRequest, RequestState
from storage import clock
from storage.database import Database, Session
from storage.identifiers import new_id
from storage.queue_order import fair_order, queued_requests
from storage.tables import CandidateRow, RequestRow, UserRow
from storage.upsert import dialect_of, insert_by_name

STALLED = "The worker stopped before your prompts were ready; please ask again."
EXPIRED = "No answer was ready in time; please ask again in a moment."

WITHOUT_LEASE: dict[str, object] = {"lease_token": None, "lease_expires_at": None}
QUEUED_AGAIN: dict[str, object] = {"state": RequestState.QUEUED, "started_at": None, **WITHOUT_LEASE}


class JobQueue(Protocol):
    """What the chat side and the workers need of a queue."""

    async def enqueue(
        self, session: Session, user_id: str, request: NewRequest, *, conversation_external_id: str | None = None
    ) -> str: ...

    async def claim(self, worker_id: str, limit: int, *, only: str | None = None) -> list[ClaimedRequest]: ...

    async def heartbeat(self, claims: Sequence[ClaimedRequest]) -> frozenset[str]: ...

    async def complete(
        self,
        claim: ClaimedRequest,
        candidates: Sequence[CandidateDraft],
        model: ModelInfo,
        decode_settings: Mapping[str, object],
        decoding_seconds: float,
    ) -> bool: ...

    async def fail(self, claim: ClaimedRequest, error: str) -> RequestState | None: ...

    async def release(self, claim: ClaimedRequest) -> bool: ...

    async def return_stalled(self) -> int: ...

    async def expire_overdue(self) -> int: ...


class SqlQueue(JobQueue):
    """The queue on the requests table; every method but `enqueue` is one short transaction of its own."""

    def __init__(self, database: Database, *, lease_seconds: float, max_attempts: int) -> None:
        self._database = database
        self._lease = timedelta(seconds=lease_seconds)
        self._max_attempts = max_attempts

    async def enqueue(
        self, session: Session, user_id: str, request: NewRequest, *, conversation_external_id: str | None = None
    ) -> str:
        """Add a request in the caller's transaction and return its id; the workspace is where the user last wrote."""
        now = clock.utc_now()
        queued = {
            "id": new_id(),
            "user_id": user_id,
            "conversation_external_id": conversation_external_id,
            "kind": request.kind,
            "parent_id": request.parent_id,
            "is_private": request.is_private,
            "idea": request.idea,
            "subject": request.subject,
            "parameters": request.parameters,
            "images": list(request.images),
            "midjourney_version": request.midjourney_version,
            "num_candidates": request.num_candidates,
            "avoid": list(request.avoid),
            "state": RequestState.QUEUED,
            "created_at": now,
            "deadline": now + timedelta(seconds=request.timeout_seconds),
            "attempts": 0,
        }
        return (await session.scalars(_insert(dialect_of(session), tuple(queued)), queued)).one()

    async def claim(self, worker_id: str, limit: int, *, only: str | None = None) -> list[ClaimedRequest]:
        """Take up to `limit` queued requests under one lease, queued → running; `only` takes just that one.

        Users take turns: see storage/queue_order.py. Overdue requests are left alone.
        """
        now = clock.utc_now()
        queued = queued_requests()
        chosen = select(queued.c.id).where(queued.c.deadline > now)
        if only is not None:
            chosen = chosen.where(queued.c.id == only)
        chosen = chosen.order_by(*fair_order(queued)).limit(limit)
        statement = (
            update(RequestRow)
            .where(RequestRow.id.in_(chosen), RequestRow.state == RequestState.QUEUED)
            .values(
                state=RequestState.RUNNING,
                worker_id=worker_id,
                started_at=now,
                attempts=RequestRow.attempts + 1,
                lease_token=new_id(),
                lease_expires_at=now + self._lease,
            )
            .returning(RequestRow)
        )
        async with self._database.write() as session:
            rows = (await session.scalars(statement)).all()
        return [_claimed(row) for row in sorted(rows, key=lambda row: (row.created_at, row.id))]

    async def heartbeat(self, claims: Sequence[ClaimedRequest]) -> frozenset[str]:
        """Extend the leases; return the ids still held: others were cancelled, expired or taken over."""
        held = and_(
            RequestRow.state == RequestState.RUNNING,
            tuple_(RequestRow.id, RequestRow.lease_token).in_([(claim.id, claim.lease_token) for claim in claims]),
        )
        return frozenset(await self._move(held, {"lease_expires_at": clock.utc_now() + self._lease}))

    async def complete(
        self,
        claim: ClaimedRequest,
        candidates: Sequence[CandidateDraft],
        model: ModelInfo,
        decode_settings: Mapping[str, object],
        decoding_seconds: float,
    ) -> bool:
        """Store the answer, running → done; False, with nothing stored, if the lease was lost.

        Raises:
            ValueError: `candidates` is empty, which is no answer.
        """
        if not candidates:
            raise ValueError(f"request {claim.id} cannot be completed without candidates")
        now = clock.utc_now()
        values = {"state": RequestState.DONE, "finished_at": now, "decoding_seconds": decoding_seconds}
        async with self._database.write() as session:
            if not await _move(session, _held(claim), {**values, **WITHOUT_LEASE}):
                return False
            session.add_all(
                CandidateRow(
                    id=new_id(),
                    request_id=claim.id,
                    rank=draft.rank,
                    text=draft.text,
                    score=draft.score,
                    base_model=model.base,
                    adapter=model.adapter,
                    precision=model.precision,
                    device=model.device,
                    decode_settings=dict(decode_settings),
                    created_at=now,
                )
                for draft in candidates
            )
        return True

    async def fail(self, claim: ClaimedRequest, error: str) -> RequestState | None:
        """Give a request back after a fault: running → queued, or → failed after the last attempt.

        `error` is one sentence that is safe to show. Returns the new state, or None if the lease was lost.
        """
        if claim.attempt >= self._max_attempts:
            state, now = RequestState.FAILED, clock.utc_now()
            values = {"state": state, "error": error, "finished_at": now, **WITHOUT_LEASE}
        else:
            state, values = RequestState.QUEUED, QUEUED_AGAIN
        return state if await self._move(_held(claim), values) else None

    async def release(self, claim: ClaimedRequest) -> bool:
        """Give a request back untried, running → queued, attempt not counted; False if the lease was lost."""
        values = {**QUEUED_AGAIN, "attempts": RequestRow.attempts - 1}
        return bool(await self._move(_held(claim), values))

    async def return_stalled(self) -> int:
        """Give back what dead workers held, running → queued, or → failed after the last try; count them."""
        now = clock.utc_now()
        is_last = RequestRow.attempts >= self._max_attempts
        stalled = and_(RequestRow.state == RequestState.RUNNING, RequestRow.lease_expires_at <= now)
        values = {
            "state": case((is_last, RequestState.FAILED), else_=RequestState.QUEUED),
            "started_at": case((is_last, RequestRow.started_at)),
            "error": case((is_last, STALLED)),
            "finished_at": case((is_last, now)),
            **WITHOUT_LEASE,
        }
        return len(await self._move(stalled, values))

    async def expire_overdue(self) -> int:
        """Give up what is past its deadline, queued or running → expired; return how many."""
        now = clock.utc_now()
        overdue = and_(RequestRow.state.in_((RequestState.QUEUED, RequestState.RUNNING)), RequestRow.deadline <= now)
        values = {"state": RequestState.EXPIRED, "error": EXPIRED, "finished_at": now, **WITHOUT_LEASE}
        return len(await self._move(overdue, values))

    async def _move(self, guard: ColumnElement[bool], values: dict[str, object]) -> list[str]:
        async with self._database.write() as session:
            return await _move(session, guard, values)


@cache  # building it costs more than running it
def _insert(dialect: str, columns: tuple[str, ...]) -> ReturningInsert[str]:
    here = select(UserRow.workspace_id).where(UserRow.id == bindparam("user_id")).scalar_subquery()
    return insert_by_name(dialect, RequestRow, columns).values(workspace_id=here).returning(RequestRow.id)


async def _move(session: Session, guard: ColumnElement[bool], values: dict[str, object]) -> list[str]:
    """Change the requests that `guard` lets through; return their ids."""
    moved = await session.scalars(update(RequestRow).where(guard).values(values).returning(RequestRow.id))
    return list(moved)


def _held(claim: ClaimedRequest) -> ColumnElement[bool]:
    return and_(
        RequestRow.id == claim.id,
        RequestRow.lease_token == claim.lease_token,
        RequestRow.state == RequestState.RUNNING,
    )


def _claimed(row: RequestRow) -> ClaimedRequest:
    if row.lease_token is None:
        raise AssertionError(f"request {row.id} is running without a lease")
    return ClaimedRequest(
        id=row.id,
        subject=row.subject,
        parameters=row.parameters,
        images=tuple(row.images),
        midjourney_version=row.midjourney_version,
        num_candidates=row.num_candidates,
        attempt=row.attempts,
        lease_token=row.lease_token,
        deadline=row.deadline,
        avoid=tuple(row.avoid),
    )
