"""What the audit table holds, the oldest first."""

from core.records import AuditAction
from storage import audit
from storage.database import Database


async def audit_rows(database: Database) -> list[tuple[AuditAction, bool]]:
    async with database.read() as session:
        return [(entry.action, entry.is_allowed) for entry in reversed(await audit.recent(session, limit=100))]
