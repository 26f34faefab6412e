"""How much one person asked in one workspace lately. It knows no limit."""

from datetime import datetime

from sqlalchemy import select

from storage.database import Session
from storage.tables import RequestRow, UserRow, WorkspaceRow


async def nth_newest(
    session: Session, *, user_id: str, workspace_external_id: str, since: datetime, n: int
) -> datetime | None:
    """Return when the person's `n`-th newest request there was made; None if there are fewer since `since`."""
    query = (
        select(RequestRow.created_at)
        .join(WorkspaceRow, WorkspaceRow.id == RequestRow.workspace_id)
        .join(UserRow, UserRow.id == RequestRow.user_id)
        .where(
            RequestRow.user_id == user_id,
            WorkspaceRow.external_id == workspace_external_id,
            WorkspaceRow.platform == UserRow.platform,
            RequestRow.created_at > since,
        )
        .order_by(RequestRow.created_at.desc())
        .offset(n - 1)
        .limit(1)
    )
    return await session.scalar(query)
