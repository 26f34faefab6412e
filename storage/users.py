"""People as platforms name them: found, made known, forgotten."""

from sqlalchemy import delete, func, or_, select

from core.records import Identity, Platform
from storage import clock
from storage.database import Session
from storage.identifiers import new_id
from storage.tables import (
    AdapterRow,
    CandidateRow,
    RequestRow,
    TrainingExampleRow,
    UserRow,
    VoteEventRow,
    WorkspaceRow,
)
from storage.upsert import insert_into


async def find_user(session: Session, identity: Identity) -> str | None:
    """Return our id of a person, or None for somebody never seen; works in a read transaction."""
    return await session.scalar(
        select(UserRow.id).where(UserRow.platform == identity.platform, UserRow.external_id == identity.external_id)
    )


async def ensure_user(session: Session, identity: Identity) -> str:
    """Return our id of a person; make their row if they are new, else keep name and workspace current."""
    workspace_id = await _ensure_workspace(session, identity.platform, identity.workspace_external_id)
    insert = insert_into(session, UserRow).values(
        id=new_id(),
        platform=identity.platform,
        external_id=identity.external_id,
        display_name=identity.display_name,
        workspace_id=workspace_id,
        created_at=clock.utc_now(),
    )
    upsert = insert.on_conflict_do_update(
        index_elements=["platform", "external_id"],
        set_={
            "display_name": func.coalesce(insert.excluded.display_name, UserRow.display_name),
            "workspace_id": workspace_id,
        },
    )
    return (await session.scalars(upsert.returning(UserRow.id))).one()


async def forget(session: Session, user_id: str) -> tuple[str, ...]:
    """Delete a person with all they asked, got and voted; return the adapters that had learned from it.

    Forgetting somebody who is not known (any more) changes nothing.
    """
    adapters = await _adapters_that_learned_from(session, user_id)
    await session.execute(delete(UserRow).where(UserRow.id == user_id))
    return adapters


async def _ensure_workspace(session: Session, platform: Platform, external_id: str | None) -> str | None:
    if external_id is None:
        return None
    insert = insert_into(session, WorkspaceRow).values(
        id=new_id(), platform=platform, external_id=external_id, created_at=clock.utc_now()
    )
    # An update that changes nothing, because DO NOTHING would return no row.
    upsert = insert.on_conflict_do_update(index_elements=["platform", "external_id"], set_={"external_id": external_id})
    return (await session.scalars(upsert.returning(WorkspaceRow.id))).one()


async def _adapters_that_learned_from(session: Session, user_id: str) -> tuple[str, ...]:
    """Adapters of the runs that saw a vote by this person, or a vote by anybody on what they asked for."""
    rows = await session.scalars(
        select(AdapterRow.id)
        .join(TrainingExampleRow, TrainingExampleRow.run_id == AdapterRow.training_run_id)
        .join(VoteEventRow, VoteEventRow.id == TrainingExampleRow.vote_event_id)
        .join(CandidateRow, CandidateRow.id == VoteEventRow.candidate_id)
        .join(RequestRow, RequestRow.id == CandidateRow.request_id)
        .where(or_(VoteEventRow.user_id == user_id, RequestRow.user_id == user_id))
        .distinct()
        .order_by(AdapterRow.id)
    )
    return tuple(rows)
