"""Workspaces: what their admins decided, and forgetting one that took the bot out."""

from functools import cache

from sqlalchemy import Select, bindparam, delete, select
from sqlalchemy.sql.dml import ReturningInsert

from core.records import Platform, WorkspaceSettings
from storage import clock
from storage.database import Session
from storage.identifiers import new_id
from storage.tables import RequestRow, WorkspaceRow
from storage.upsert import dialect_of, insert_by_name, insert_into


async def ensure_workspace(session: Session, platform: Platform, external_id: str) -> str:
    """Return our id of a workspace; make its row if it is new."""
    workspace = {
        "id": new_id(),
        "platform": platform,
        "external_id": external_id,
        "is_private": False,
        "created_at": clock.utc_now(),
    }
    return (await session.scalars(_insert_once(dialect_of(session), tuple(workspace)), workspace)).one()


async def settings_of(session: Session, platform: Platform, external_id: str | None) -> WorkspaceSettings:
    """Return what a workspace's admins decided; nothing is decided outside of one, or in one never seen."""
    row = await session.scalar(_of_external_id(), {"platform": platform, "external_id": external_id})
    if row is None:
        return WorkspaceSettings()
    return WorkspaceSettings(
        midjourney_version=row.midjourney_version,
        aspect_ratio=row.aspect_ratio,
        is_private=row.is_private,
        max_requests_per_day=row.max_requests_per_day,
        language=row.language,
    )


async def change(session: Session, platform: Platform, external_id: str, settings: WorkspaceSettings) -> None:
    """Keep all of a workspace's settings as they are given."""
    current = {
        "midjourney_version": settings.midjourney_version,
        "aspect_ratio": settings.aspect_ratio,
        "is_private": settings.is_private,
        "max_requests_per_day": settings.max_requests_per_day,
        "language": settings.language,
    }
    insert = insert_into(session, WorkspaceRow).values(
        id=new_id(), platform=platform, external_id=external_id, created_at=clock.utc_now(), **current
    )
    await session.execute(insert.on_conflict_do_update(index_elements=["platform", "external_id"], set_=current))


async def forget(session: Session, platform: Platform, external_id: str) -> int:
    """Delete a workspace with its settings and all that was asked there; return how many requests that were.

    Its people stay, with what they did elsewhere. Forgetting a workspace never seen changes nothing.
    """
    here = (WorkspaceRow.platform == platform, WorkspaceRow.external_id == external_id)
    workspace_id = select(WorkspaceRow.id).where(*here).scalar_subquery()
    asked_here = delete(RequestRow).where(RequestRow.workspace_id == workspace_id).returning(RequestRow.id)
    num_requests = len((await session.scalars(asked_here)).all())
    await session.execute(delete(WorkspaceRow).where(*here))
    return num_requests


# Statements that are part of every ask, built once: building one costs more than running it.


@cache
def _insert_once(dialect: str, columns: tuple[str, ...]) -> ReturningInsert[str]:
    insert = insert_by_name(dialect, WorkspaceRow, columns)
    # An update that changes nothing, because DO NOTHING would return no row.
    once = insert.on_conflict_do_update(
        index_elements=["platform", "external_id"], set_={"external_id": insert.excluded.external_id}
    )
    return once.returning(WorkspaceRow.id)


@cache
def _of_external_id() -> Select[WorkspaceRow]:
    here = (WorkspaceRow.platform == bindparam("platform"), WorkspaceRow.external_id == bindparam("external_id"))
    return select(WorkspaceRow).where(*here)
