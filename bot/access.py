"""Refusals that leave a trace: somebody pressed on something that is not theirs to see.

What a person may do is decided in storage/requests.py, where the rows are; here the refusal becomes an audit row. The
person is told the same sentence as for something that never was.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from core.errors import ForeignId
from core.records import AuditAction, Identity
from storage import audit, users
from storage.database import Database

MAX_DETAIL_CHARACTERS = 64


@asynccontextmanager
async def foreign_ids_recorded(database: Database, identity: Identity, target_id: str) -> AsyncIterator[None]:
    """Record a `ForeignId` that comes out of the block, whose own transaction is over by then, and raise it again."""
    try:
        yield
    except ForeignId:
        await record_refusal(database, identity, AuditAction.FOREIGN_ID, {"target": target_id})
        raise


async def record_refusal(
    database: Database, identity: Identity, action: AuditAction, details: Mapping[str, object]
) -> None:
    """Write one audit row of something that was refused, in a transaction of its own."""
    async with database.write() as session:
        await audit.record(
            session,
            action=action,
            user_id=await users.ensure_user(session, identity),
            workspace_external_id=identity.workspace_external_id,
            is_allowed=False,
            details=shortened(details),
        )


def shortened(details: Mapping[str, object]) -> dict[str, object]:
    """Return details as an audit row may keep them: what somebody typed is cut."""
    return {name: value[:MAX_DETAIL_CHARACTERS] if isinstance(value, str) else value for name, value in details.items()}
