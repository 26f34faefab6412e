"""What a person can see and take along of what is kept about them; storage.users.forget deletes it.

The three agree because all of them use the conditions of storage/belongings.py. Messages on their way out and the
platform's event ids are deleted as well but not exported: they are means of delivery, and may hold its keys.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, inspect, select

from core.records import PrivacyOverview
from storage import adapters, belongings, consents
from storage.belongings import Belonging
from storage.columns import Row
from storage.database import Session
from storage.tables import CandidateRow, FavoriteRow, UserRow

COUNTED = (
    belongings.REQUESTS,
    belongings.CANDIDATES,
    belongings.VOTES,
    belongings.FEEDBACK,
    belongings.FAVORITES,
)
EXPORTED = (belongings.CONSENTS, belongings.VOTES, belongings.VOTE_EVENTS, belongings.FEEDBACK)
NOT_EXPORTED = frozenset({"user_id", "worker_id", "lease_token", "lease_expires_at"})  # book-keeping


async def overview(session: Session, user_id: str) -> PrivacyOverview:
    """Count what is kept about a user; somebody forgotten has nothing."""
    counts = [select(func.count()).select_from(kind.row).where(kind.of(user_id)).scalar_subquery() for kind in COUNTED]
    requests, candidates, votes, feedback, favorites = (await session.execute(select(*counts))).one()
    return PrivacyOverview(
        num_requests=requests,
        num_candidates=candidates,
        num_votes=votes,
        num_feedback=feedback,
        num_favorites=favorites,
        has_consented=await consents.has_consented(session, user_id),
        adapters=await adapters.that_learned_from(session, user_id),
    )


async def export(session: Session, user_id: str) -> dict[str, object]:
    """Return what is kept about a user as plain JSON; of somebody forgotten, empty lists and no person."""
    person = await session.get(UserRow, user_id)
    exported: dict[str, object] = {"person": None if person is None else _plain(person)}
    exported["requests"] = await _requests(session, user_id)
    for kind in EXPORTED:
        exported[kind.name] = [_plain(row) for row in await _rows(session, kind, user_id)]
    exported[belongings.FAVORITES.name] = await _favorites(session, user_id)
    return exported


async def _favorites(session: Session, user_id: str) -> list[dict[str, object]]:
    """Return what a user saved with its text, which may be the answer to somebody else."""
    query = (
        select(FavoriteRow, CandidateRow.text)
        .join(CandidateRow, CandidateRow.id == FavoriteRow.candidate_id)
        .where(belongings.FAVORITES.of(user_id))
        .order_by(FavoriteRow.id)
    )
    return [{**_plain(row), "text": text} for row, text in await session.execute(query)]


async def _requests(session: Session, user_id: str) -> list[dict[str, object]]:
    offered: dict[str, list[object]] = {}
    for candidate in await _rows(session, belongings.CANDIDATES, user_id):
        plain = _plain(candidate)
        offered.setdefault(str(plain["request_id"]), []).append(plain)
    asked = [_plain(row) for row in await _rows(session, belongings.REQUESTS, user_id)]
    return [{**request, "candidates": offered.get(str(request["id"]), [])} for request in asked]


async def _rows(session: Session, kind: Belonging, user_id: str) -> Sequence[Row]:
    """Return a user's rows of one kind, in the order in which they were made."""
    primary_key = inspect(kind.row).primary_key
    return (await session.scalars(select(kind.row).where(kind.of(user_id)).order_by(*primary_key))).all()


def _plain(row: Row) -> dict[str, object]:
    """Return a row's columns as JSON has them; an enum is its own text already."""
    values = {column.key: getattr(row, column.key) for column in inspect(type(row)).column_attrs}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if name not in NOT_EXPORTED
    }
