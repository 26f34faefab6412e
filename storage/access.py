"""Who may see, vote on, vary and save a request and its prompts.

One's own always; somebody else's unless it is private, and only where it was shown: in the same workspace, in the
same conversation, or on this program's own web page and terminal, which have neither. A prompt that was saved there
can be taken out, varied and shared wherever its saver reads their favourites. What only the person who asked may do is
checked where it is done.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, select
from sqlalchemy.orm import aliased

from core.errors import ForeignId, NotFound
from core.records import Identity, Platform
from storage import users
from storage.database import Session
from storage.tables import CandidateRow, FavoriteRow, RequestRow, UserRow, WorkspaceRow

OWN_PLATFORMS = frozenset({Platform.WEB, Platform.TERMINAL})
NOT_HERE = "There is no {noun} {id} here; it may have been deleted."


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked for a request, where, and whether it is theirs alone."""

    request_id: str
    user_id: str
    platform: Platform
    is_private: bool
    workspace_external_id: str | None
    conversation_external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Somebody at a candidate of a request; `user_id` is None where `users.ensure_user` has something to write."""

    request_id: str
    user_id: str | None


async def require_access(session: Session, request_id: str, *, identity: Identity, user_id: str | None) -> None:
    """Check that the person may see a request and its prompts.

    Raises:
        NotFound: there is no such request.
        ForeignId: there is one, but not for this person; it says the same.
    """
    found = (await session.execute(_origin_of_request(), {"id": request_id})).one_or_none()
    origin = None if found is None else Origin(*found)
    _require_access(origin, NOT_HERE.format(noun="request", id=request_id), identity=identity, user_id=user_id)


async def require_candidate_access(
    session: Session, candidate_id: str, *, identity: Identity, user_id: str | None
) -> str:
    """Check that the person may see a candidate; return the id of its request.

    Raises:
        NotFound: there is no such candidate.
        ForeignId: there is one, but not for this person; it says the same.
    """
    found = (await session.execute(_origin_of_candidate(), {"id": candidate_id})).one_or_none()
    if found is None:
        raise NotFound(NOT_HERE.format(noun="prompt", id=candidate_id))
    return await _require_candidate_access(session, candidate_id, Origin(*found), identity, user_id)


async def visit(session: Session, candidate_id: str, *, identity: Identity) -> Visit:
    """Check that a person may see a candidate, as `require_candidate_access` does, and say who they are: one look.

    Raises:
        NotFound: there is no such candidate.
        ForeignId: there is one, but not for this person; it says the same.
    """
    who = {"platform": identity.platform, "external_id": identity.external_id}
    found = (await session.execute(_visit(), {"id": candidate_id, **who})).one_or_none()
    if found is None:
        raise NotFound(NOT_HERE.format(noun="prompt", id=candidate_id))
    *origin, user_id, display_name, locale, workspace = found
    request_id = await _require_candidate_access(session, candidate_id, Origin(*origin), identity, user_id)
    is_current = user_id is not None and users.says_all(identity, display_name, locale, workspace)
    return Visit(request_id=request_id, user_id=user_id if is_current else None)


def may_see(origin: Origin, *, identity: Identity, user_id: str | None) -> bool:
    """Decide by where a request was asked and where the person is now; `user_id` None is somebody never seen."""
    if origin.user_id == user_id:
        return True
    if origin.is_private or origin.platform is not identity.platform:
        return False
    workspace, conversation = origin.workspace_external_id, origin.conversation_external_id
    if workspace is None and conversation is None:
        return identity.platform in OWN_PLATFORMS
    is_same_workspace = workspace is not None and workspace == identity.workspace_external_id
    return is_same_workspace or (conversation is not None and conversation == identity.conversation_external_id)


def _require_access(origin: Origin | None, sentence: str, *, identity: Identity, user_id: str | None) -> str:
    if origin is None:
        raise NotFound(sentence)
    if not may_see(origin, identity=identity, user_id=user_id):
        raise ForeignId(sentence)
    return origin.request_id


async def _require_candidate_access(
    session: Session, candidate_id: str, origin: Origin, identity: Identity, user_id: str | None
) -> str:
    """Whoever saved a candidate keeps it, wherever they are."""
    is_seen = may_see(origin, identity=identity, user_id=user_id)
    if not is_seen and user_id is not None and await _has_saved(session, user_id, candidate_id):
        return origin.request_id
    return _require_access(origin, NOT_HERE.format(noun="prompt", id=candidate_id), identity=identity, user_id=user_id)


async def _has_saved(session: Session, user_id: str, candidate_id: str) -> bool:
    mine = (FavoriteRow.user_id == user_id, FavoriteRow.candidate_id == candidate_id)
    return await session.scalar(select(FavoriteRow.id).where(*mine)) is not None


# Built once: these are part of every press.


@cache
def _origin_of_request() -> Select[str, str, Platform, bool, str | None, str | None]:
    return _origins().where(RequestRow.id == bindparam("id"))


@cache
def _origin_of_candidate() -> Select[str, str, Platform, bool, str | None, str | None]:
    of_candidate = CandidateRow.request_id == RequestRow.id
    return _origins().join(CandidateRow, of_candidate).where(CandidateRow.id == bindparam("id"))


@cache
def _visit() -> Select[*tuple[Any, ...]]:
    """The candidate's origin, and id, name, language and workspace of the person; each None for somebody new."""
    me, here = aliased(UserRow), aliased(WorkspaceRow)
    is_me = and_(me.platform == bindparam("platform"), me.external_id == bindparam("external_id"))
    origin = _origin_of_candidate().outerjoin(me, is_me).outerjoin(here, here.id == me.workspace_id)
    return origin.add_columns(me.id, me.display_name, me.locale, here.external_id)


def _origins() -> Select[str, str, Platform, bool, str | None, str | None]:
    return (
        select(
            RequestRow.id,
            RequestRow.user_id,
            UserRow.platform,
            RequestRow.is_private,
            WorkspaceRow.external_id,
            RequestRow.conversation_external_id,
        )
        .join(UserRow, UserRow.id == RequestRow.user_id)
        .outerjoin(WorkspaceRow, WorkspaceRow.id == RequestRow.workspace_id)
    )
