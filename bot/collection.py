"""A person's favourites: save, take back, look through.

Whoever may see a candidate may save it; nobody else sees that they did. It knows no platform.
"""

from bot.access import foreign_ids_recorded
from core.records import Favorite, Identity
from storage import access, favorites, users
from storage.database import Database


class CollectionService:
    """The favourites over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def toggle_saved(self, identity: Identity, candidate_id: str, *, event_id: str) -> bool:
        """Save a candidate, or take it back if it is saved; tell which it is now. A replayed event changes nothing.

        Raises:
            NotFound: there is no such candidate for this person.
        """
        async with foreign_ids_recorded(self._database, identity, candidate_id), self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            await access.require_candidate_access(session, candidate_id, identity=identity, user_id=user_id)
            return await favorites.toggle(session, user_id, candidate_id, event_id=event_id)

    async def set_saved(self, identity: Identity, candidate_id: str, *, is_saved: bool) -> None:
        """Save a candidate or take it back; doing it again changes nothing.

        Raises:
            NotFound: there is no such candidate for this person.
        """
        async with foreign_ids_recorded(self._database, identity, candidate_id), self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            await access.require_candidate_access(session, candidate_id, identity=identity, user_id=user_id)
            await favorites.save(session, user_id, candidate_id, is_saved=is_saved)

    async def favorites(self, identity: Identity, *, before: str | None, limit: int) -> list[Favorite]:
        """Return up to `limit` favourites, newest first, saved before the candidate `before`."""
        async with self._database.read() as session:
            user_id = await users.find_user(session, identity)
            return [] if user_id is None else await favorites.page(session, user_id, before=before, limit=limit)
