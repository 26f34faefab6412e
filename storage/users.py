"""People as platforms name them: found, made known, forgotten."""

from functools import cache

from sqlalchemy import Select, bindparam, delete, func, select
from sqlalchemy.sql.dml import ReturningInsert

from core.records import Identity
from storage import adapters, clock, cycles
from storage.belongings import BELONGINGS
from storage.database import Session
from storage.identifiers import new_id
from storage.tables import UserRow, WorkspaceRow
from storage.upsert import dialect_of, insert_by_name
from storage.workspaces import ensure_workspace


async def find_user(session: Session, identity: Identity) -> str | None:
    """Return our id of a person, or None for somebody never seen; works in a read transaction."""
    return await session.scalar(
        select(UserRow.id).where(UserRow.platform == identity.platform, UserRow.external_id == identity.external_id)
    )


async def ensure_user(session: Session, identity: Identity) -> str:
    """Return our id of a person; make their row if they are new, else keep name, language and workspace current."""
    return await _find_current(session, identity) or await _make_current(session, identity)


async def forget(session: Session, user_id: str) -> tuple[str, ...]:
    """Delete a person with all they asked, got, said and voted; return the adapters that had learned from it.

    Each of those keeps how many of its votes went, and an open cycle that learned from them is cancelled. Forgetting
    somebody who is not known (any more) changes nothing.
    """
    learned = await adapters.that_learned_from(session, user_id)
    await adapters.count_forgotten(session, user_id)
    await cycles.cancel_because_forgotten(session, user_id)
    await cycles.unname(session, user_id)
    for belonging in BELONGINGS:
        await session.execute(delete(belonging.row).where(belonging.of(user_id)))
    await session.execute(delete(UserRow).where(UserRow.id == user_id))
    return learned


async def _find_current(session: Session, identity: Identity) -> str | None:
    """Return our id of a person whose row says all that `identity` says: nearly always, so it writes nothing."""
    who = {"platform": identity.platform, "external_id": identity.external_id}
    known = (await session.execute(_current_query(), who)).one_or_none()
    if known is None:
        return None
    user_id, display_name, locale, workspace = known
    return user_id if says_all(identity, display_name, locale, workspace) else None


def says_all(identity: Identity, display_name: str | None, locale: str | None, workspace: str | None) -> bool:
    """Tell whether what a person's row says is all that `identity` does; `workspace` by the platform's id."""
    return (
        identity.display_name in {None, display_name}
        and identity.locale in {None, locale}
        and identity.workspace_external_id == workspace
    )


@cache
def _current_query() -> Select[str, str | None, str | None, str | None]:
    """Built once: it is part of everything that anybody does."""
    return (
        select(UserRow.id, UserRow.display_name, UserRow.locale, WorkspaceRow.external_id)
        .outerjoin(WorkspaceRow, WorkspaceRow.id == UserRow.workspace_id)
        .where(UserRow.platform == bindparam("platform"), UserRow.external_id == bindparam("external_id"))
    )


async def _make_current(session: Session, identity: Identity) -> str:
    external_id = identity.workspace_external_id
    workspace_id = None if external_id is None else await ensure_workspace(session, identity.platform, external_id)
    user = {
        "id": new_id(),
        "platform": identity.platform,
        "external_id": identity.external_id,
        "display_name": identity.display_name,
        "locale": identity.locale,
        "workspace_id": workspace_id,
        "created_at": clock.utc_now(),
    }
    return (await session.scalars(_upsert(dialect_of(session), tuple(user)), user)).one()


@cache
def _upsert(dialect: str, columns: tuple[str, ...]) -> ReturningInsert[str]:
    """Built once, as well; somebody who is not named keeps the name and the language that are known."""
    insert = insert_by_name(dialect, UserRow, columns)
    upsert = insert.on_conflict_do_update(
        index_elements=["platform", "external_id"],
        set_={
            "display_name": func.coalesce(insert.excluded.display_name, UserRow.display_name),
            "locale": func.coalesce(insert.excluded.locale, UserRow.locale),
            "workspace_id": insert.excluded.workspace_id,
        },
    )
    return upsert.returning(UserRow.id)
