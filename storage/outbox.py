"""Chat messages on their way out: written with what they answer, sent later, and again if the bot died meanwhile.

    pending ──due──► pending (claimed for a while) ──sent──► sent
       ▲                    │ └───────failed───────► failed
       └───────retry────────┘

An answer is due when its request has ended; until then it is waiting, and its message can show the progress. It does
not know what a destination is made of.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.sql.dml import ReturningInsert

from core.records import Destination, OutboxKind, OutboxMessage, Platform, RequestState
from storage import clock
from storage.database import Database, Session
from storage.identifiers import new_id
from storage.states import OutboxState
from storage.tables import OutboxRow, RequestRow
from storage.upsert import dialect_of, insert_by_name

CLAIM_SECONDS = 15.0  # a message that was taken up is due again after this, in case its bot died
FINAL_STATES = tuple(state for state in RequestState if state.is_final)


async def add(
    session: Session,
    *,
    request_id: str,
    platform: Platform,
    key: str,
    kind: OutboxKind,
    destination: Destination,
    candidate_id: str | None = None,
) -> str:
    """Put a message on its way in the caller's transaction; return its id.

    The same `key` of the same platform again gives the first one's id and changes nothing.
    """
    now = clock.utc_now()
    message = {
        "id": new_id(),
        "request_id": request_id,
        "platform": platform,
        "key": key,
        "kind": kind,
        "candidate_id": candidate_id,
        "destination": dict(destination),
        "looked_at": now,
        "state": OutboxState.PENDING,
        "attempts": 0,
        "next_attempt_at": now,
        "created_at": now,
    }
    return (await session.scalars(_insert_once(dialect_of(session), tuple(message)), message)).one()


@cache  # building it costs more than running it
def _insert_once(dialect: str, columns: tuple[str, ...]) -> ReturningInsert[str]:
    insert = insert_by_name(dialect, OutboxRow, columns)
    # An update that changes nothing, because DO NOTHING would return no row.
    once = insert.on_conflict_do_update(index_elements=["platform", "key"], set_={"key": insert.excluded.key})
    return once.returning(OutboxRow.id)


class Outbox:
    """The messages of one database; every method is one short transaction, two where there is something to claim."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, platforms: Collection[Platform], *, limit: int) -> list[OutboxMessage]:
        """Claim up to `limit` messages that can be sent now, the longest due first; nobody else gets them meanwhile.

        A claim ends by itself after `CLAIM_SECONDS`, so that what a dead bot had claimed is sent as well.
        """
        now = clock.utc_now()
        is_ready = or_(OutboxRow.kind != OutboxKind.ANSWER, RequestRow.state.in_(FINAL_STATES))
        query = _to_act_on(platforms, now).where(is_ready).order_by(OutboxRow.next_attempt_at, OutboxRow.id)
        claimed = {"attempts": OutboxRow.attempts + 1, "next_attempt_at": now + timedelta(seconds=CLAIM_SECONDS)}
        return await self._take(query.limit(limit), now, claimed)

    async def waiting(self, platforms: Collection[Platform], *, limit: int) -> list[OutboxMessage]:
        """Return up to `limit` answers whose request is still open, those longest not looked at first.

        One that the platform asked to leave alone for a while (`retry`) is left alone.
        """
        now = clock.utc_now()
        is_open = and_(OutboxRow.kind == OutboxKind.ANSWER, RequestRow.state.not_in(FINAL_STATES))
        query = _to_act_on(platforms, now).where(is_open).order_by(OutboxRow.looked_at, OutboxRow.id)
        return await self._take(query.limit(limit), now, {"looked_at": now})

    async def pending(self, message_id: str) -> OutboxMessage | None:
        """Return a message as it is now; None if it is not pending (any more)."""
        query = select(OutboxRow).where(OutboxRow.id == message_id, OutboxRow.state == OutboxState.PENDING)
        async with self._database.read() as session:
            row = (await session.scalars(query)).one_or_none()
        return None if row is None else _message_of(row)

    async def readdress(self, message_id: str, destination: Destination) -> bool:
        """Keep where a message is to be found from now on, showing nothing yet; False if it is not pending."""
        return await self._move(message_id, {"destination": dict(destination), "shown": None})

    async def shown(self, message_id: str, mark: str) -> None:
        """Remember the progress that a message shows now."""
        await self._move(message_id, {"shown": mark})

    async def sent(self, message_id: str, destination: Destination) -> bool:
        """End a message that shows its answer, pending → sent; `destination` is what may be kept, without secrets.

        False if it is not pending (any more).
        """
        now = clock.utc_now()
        values = {"state": OutboxState.SENT, "sent_at": now, "error": None, "destination": dict(destination)}
        return await self._move(message_id, values)

    async def retry(self, message_id: str, *, after_seconds: float, error: str) -> None:
        """Leave a message alone for a while after a fault."""
        again = clock.utc_now() + timedelta(seconds=after_seconds)
        await self._move(message_id, {"next_attempt_at": again, "error": error})

    async def failed(self, message_id: str, error: str, destination: Destination) -> bool:
        """Give a message up, pending → failed; `destination` is what may be kept, without secrets.

        False if it is not pending (any more).
        """
        values = {"state": OutboxState.FAILED, "error": error, "destination": dict(destination)}
        return await self._move(message_id, values)

    async def count_pending(self) -> int:
        """Count the messages that are neither sent nor given up."""
        query = select(func.count()).select_from(OutboxRow).where(OutboxRow.state == OutboxState.PENDING)
        async with self._database.read() as session:
            return (await session.scalars(query)).one()

    async def _take(self, query: Select[str], now: datetime, values: Mapping[str, object]) -> list[OutboxMessage]:
        """Change what `query` finds, unless another bot was faster; a look that finds nothing takes no write lock."""
        async with self._database.read() as session:
            ids = (await session.scalars(query)).all()
        if not ids:
            return []
        statement = update(OutboxRow).where(OutboxRow.id.in_(ids), *_is_up(now)).values(values).returning(OutboxRow)
        async with self._database.write() as session:
            rows = {row.id: row for row in await session.scalars(statement)}
        return [_message_of(rows[message_id]) for message_id in ids if message_id in rows]

    async def _move(self, message_id: str, values: Mapping[str, object]) -> bool:
        pending = (OutboxRow.id == message_id, OutboxRow.state == OutboxState.PENDING)
        statement = update(OutboxRow).where(*pending).values(values).returning(OutboxRow.id)
        async with self._database.write() as session:
            return (await session.scalars(statement)).one_or_none() is not None


def _is_up(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (OutboxRow.state == OutboxState.PENDING, OutboxRow.next_attempt_at <= now)


def _to_act_on(platforms: Collection[Platform], now: datetime) -> Select[str]:
    return (
        select(OutboxRow.id)
        .join(RequestRow, RequestRow.id == OutboxRow.request_id)
        .where(*_is_up(now), OutboxRow.platform.in_(platforms))
    )


def _message_of(row: OutboxRow) -> OutboxMessage:
    return OutboxMessage(
        id=row.id,
        request_id=row.request_id,
        platform=row.platform,
        kind=row.kind,
        candidate_id=row.candidate_id,
        destination=row.destination,
        shown=row.shown,
        attempts=row.attempts,
        created_at=row.created_at,
    )
