"""A person's rights over what is kept about them: see it, take it along, have it deleted.

All three use the same conditions (storage/privacy.py), so that what is shown is what goes. Consent to learning is set
in bot/service.py.
"""

from core.records import AuditAction, Identity, PrivacyOverview
from storage import audit, privacy, users
from storage.database import Database

NOTHING = PrivacyOverview(
    num_requests=0,
    num_candidates=0,
    num_votes=0,
    num_feedback=0,
    num_favorites=0,
    has_consented=False,
    adapters=(),
)


class PrivacyService:
    """View, export and delete over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def overview(self, identity: Identity) -> PrivacyOverview:
        """Count what is kept about the person; nothing for somebody never seen."""
        async with self._database.read() as session:
            user_id = await users.find_user(session, identity)
            return NOTHING if user_id is None else await privacy.overview(session, user_id)

    async def export(self, identity: Identity) -> dict[str, object]:
        """Return everything that is kept about the person as plain JSON; an empty object for somebody never seen."""
        async with self._database.read() as session:
            user_id = await users.find_user(session, identity)
            return {} if user_id is None else await privacy.export(session, user_id)

    async def forget(self, identity: Identity) -> PrivacyOverview:
        """Delete everything about the person and tell what that was; the second time there is nothing left.

        An audit row keeps the counts and the adapters that had learned from the person, not who it was.
        """
        async with self._database.write() as session:
            user_id = await users.find_user(session, identity)
            if user_id is None:
                return NOTHING
            gone = await privacy.overview(session, user_id)
            await users.forget(session, user_id)
            await audit.record(
                session,
                action=AuditAction.FORGET,
                user_id=None,
                workspace_external_id=identity.workspace_external_id,
                is_allowed=True,
                details={
                    "num_requests": gone.num_requests,
                    "num_votes": gone.num_votes,
                    "adapters": list(gone.adapters),
                },
            )
            return gone
