"""Chat messages about cycles of learning: one that follows a cycle to its end, and a note when an adapter is promoted.

    pending ──shown──► pending, looked at again a little later ──its cycle ended, and that is shown──► sent
       │ └───────────── retry ────────────┘
       └──────────────────────────────── failed ──► failed

It does not know what a destination is made of, nor what a message shows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from core.cycles import CycleState, CycleView
from core.records import Destination, Platform
from storage import clock
from storage.cycle_tables import CycleMessageRow, CycleRow
from storage.cycle_views import view_of
from storage.database import Database, Session
from storage.identifiers import new_id
from storage.states import CycleMessageKind, OutboxState
from storage.upsert import insert_into

CLAIM_SECONDS = 15.0  # a message that was taken up is due again after this, in case its bot died


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleMessage:
    """One message to be shown or brought up to date; `shown` is the mark of what it shows now, None for nothing."""

    id: str
    cycle_id: str
    platform: Platform
    kind: CycleMessageKind
    destination: Destination
    shown: str | None
    attempts: int
    created_at: datetime


async def add(
    session: Session,
    *,
    cycle_id: str,
    platform: Platform,
    key: str,
    kind: CycleMessageKind,
    destination: Destination,
    user_id: str | None = None,
) -> bool:
    """Put a message on its way in the caller's transaction; False, and nothing changed, where `key` is there already.

    It is gone with `user_id`, who asked for it, where somebody did.
    """
    now = clock.utc_now()
    insert = insert_into(session, CycleMessageRow).values(
        id=new_id(),
        cycle_id=cycle_id,
        user_id=user_id,
        platform=platform,
        key=key,
        kind=kind,
        destination=dict(destination),
        state=OutboxState.PENDING,
        attempts=0,
        next_attempt_at=now,
        created_at=now,
    )
    once = insert.on_conflict_do_nothing(index_elements=["platform", "key"])
    return await session.scalar(once.returning(CycleMessageRow.id)) is not None


async def promoted_since(session: Session, moment: datetime) -> tuple[CycleView, ...]:
    """Return the cycles whose adapter was promoted after `moment`, oldest first."""
    query = select(CycleRow).where(CycleRow.state == CycleState.PROMOTED, CycleRow.finished_at >= moment)
    return tuple(view_of(row) for row in await session.scalars(query.order_by(CycleRow.id)))


async def known_keys(session: Session, platform: Platform, keys: Collection[str]) -> frozenset[str]:
    """Return which of these messages were written already."""
    here = (CycleMessageRow.platform == platform, CycleMessageRow.key.in_(keys))
    return frozenset(await session.scalars(select(CycleMessageRow.key).where(*here)))


class CycleMessages:
    """The messages of one database; every method is one short transaction, two where there is something to claim."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, platform: Platform, *, limit: int) -> list[CycleMessage]:
        """Claim up to `limit` messages to look at now, the longest due first; nobody else gets them for a while."""
        now = clock.utc_now()
        is_up = (
            CycleMessageRow.platform == platform,
            CycleMessageRow.state == OutboxState.PENDING,
            CycleMessageRow.next_attempt_at <= now,
        )
        query = select(CycleMessageRow.id).where(*is_up).order_by(CycleMessageRow.next_attempt_at).limit(limit)
        async with self._database.read() as session:
            ids = (await session.scalars(query)).all()
        if not ids:
            return []
        claim = update(CycleMessageRow).where(CycleMessageRow.id.in_(ids), *is_up)
        values = {"next_attempt_at": now + timedelta(seconds=CLAIM_SECONDS), "attempts": CycleMessageRow.attempts + 1}
        async with self._database.write() as session:
            rows = await session.scalars(claim.values(values).returning(CycleMessageRow))
            return [_message_of(row) for row in rows]

    async def readdress(self, message_id: str, destination: Destination) -> bool:
        """Keep where the message was posted; False if it is not pending (any more)."""
        return await self._move(message_id, {"destination": dict(destination)})

    async def shown(self, message_id: str, mark: str | None, *, next_look_seconds: float) -> bool:
        """Keep what the message shows, and look at it again a little later."""
        again = clock.utc_now() + timedelta(seconds=next_look_seconds)
        return await self._move(message_id, {"shown": mark, "next_attempt_at": again, "attempts": 0, "error": None})

    async def sent(self, message_id: str, mark: str, destination: Destination) -> bool:
        """End a message that shows all that there is to show; `destination` is what may be kept, without secrets."""
        values = {"state": OutboxState.SENT, "shown": mark, "error": None, "destination": dict(destination)}
        return await self._move(message_id, values)

    async def retry(self, message_id: str, *, after_seconds: float, error: str) -> None:
        """Leave a message alone for a while after a fault."""
        again = clock.utc_now() + timedelta(seconds=after_seconds)
        await self._move(message_id, {"next_attempt_at": again, "error": error})

    async def failed(self, message_id: str, error: str, destination: Destination) -> bool:
        """Give a message up; `destination` is what may be kept, without secrets."""
        values = {"state": OutboxState.FAILED, "error": error, "destination": dict(destination)}
        return await self._move(message_id, values)

    async def _move(self, message_id: str, values: Mapping[str, object]) -> bool:
        pending = (CycleMessageRow.id == message_id, CycleMessageRow.state == OutboxState.PENDING)
        change = update(CycleMessageRow).where(*pending).values(values).returning(CycleMessageRow.id)
        async with self._database.write() as session:
            return await session.scalar(change) is not None


def _message_of(row: CycleMessageRow) -> CycleMessage:
    return CycleMessage(
        id=row.id,
        cycle_id=row.cycle_id,
        platform=row.platform,
        kind=row.kind,
        destination=row.destination,
        shown=row.shown,
        attempts=row.attempts,
        created_at=row.created_at,
    )
