"""Who tried what that touches more than their own rows, and whether they were allowed to; append-only.

A row outlives its person: when they are forgotten, it stays without their id. What somebody typed never goes into
`details`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from core.records import AuditAction
from storage import clock
from storage.database import Session
from storage.tables import AuditEventRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One try; `user_id` is None for nobody in particular and for a person forgotten since."""

    id: int
    action: AuditAction
    user_id: str | None
    workspace_external_id: str | None
    is_allowed: bool
    details: Mapping[str, object]
    created_at: datetime


async def record(
    session: Session,
    *,
    action: AuditAction,
    user_id: str | None,
    workspace_external_id: str | None,
    is_allowed: bool,
    details: Mapping[str, object],
) -> None:
    """Append one try."""
    session.add(
        AuditEventRow(
            action=action,
            user_id=user_id,
            workspace_external_id=workspace_external_id,
            is_allowed=is_allowed,
            details=dict(details),
            created_at=clock.utc_now(),
        )
    )
    await session.flush()


async def recent(session: Session, *, limit: int) -> list[AuditEntry]:
    """Return the last `limit` tries, newest first."""
    rows = await session.scalars(select(AuditEventRow).order_by(AuditEventRow.id.desc()).limit(limit))
    return [
        AuditEntry(
            id=row.id,
            action=row.action,
            user_id=row.user_id,
            workspace_external_id=row.workspace_external_id,
            is_allowed=row.is_allowed,
            details=row.details,
            created_at=row.created_at,
        )
        for row in rows
    ]
