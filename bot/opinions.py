"""What people think of a candidate: thumbs, the reason and better prompt after a 👎, and showing it to everybody.

Whoever may see a candidate may do all of it. It knows no platform.
"""

from dataclasses import dataclass
from datetime import datetime

from bot.access import foreign_ids_recorded
from bot.intake import localised
from bot.patience import PATIENCE_SECONDS, patiently
from core.errors import InvalidIdea
from core.idea import read_idea
from core.records import CandidateView, Destination, Feedback, Identity, OutboxKind, RequestView, Thumb
from storage import access, feedback, lineage, outbox, requests, users, votes, workspaces
from storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """What a press led to; `standing` is the person's vote on the candidate now."""

    request_id: str
    user_id: str
    standing: Thumb | None


class OpinionService:
    """Votes, feedback and sharing over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def vote(self, identity: Identity, candidate_id: str, thumb: Thumb | None, *, event_id: str) -> CandidateView:
        """Set the person's vote, None takes it back; show the candidate with its new counts.

        Whoever may see a candidate may vote on it. A replayed `event_id` changes nothing.

        Raises:
            NotFound: there is no such candidate for this person.
        """
        async with foreign_ids_recorded(self._database, identity, candidate_id), self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            await access.require_candidate_access(session, candidate_id, identity=identity, user_id=user_id)
            return await votes.cast(session, user_id=user_id, candidate_id=candidate_id, thumb=thumb, event_id=event_id)

    async def press(
        self,
        identity: Identity,
        candidate_id: str,
        thumb: Thumb,
        *,
        event_id: str,
        occurred_at: datetime | None = None,
    ) -> RequestView:
        """Press a thumb as `store_press` does; show the whole request.

        Raises:
            NotFound: there is no such candidate for this person.
        """
        pressed = await self.store_press(identity, candidate_id, thumb, event_id=event_id, occurred_at=occurred_at)
        async with self._database.read() as session:
            return await requests.view(session, pressed.request_id, viewer_id=pressed.user_id)

    async def store_press(
        self,
        identity: Identity,
        candidate_id: str,
        thumb: Thumb,
        *,
        event_id: str,
        occurred_at: datetime | None = None,
    ) -> Pressed:
        """Press a thumb: again takes the vote back, the other one changes it. Nothing is read that is only shown.

        A replayed `event_id` changes nothing, and neither does a press older than the person's latest.

        Raises:
            NotFound: there is no such candidate for this person.
        """

        async def store() -> Pressed:
            async with self._database.read() as session:
                seen = await access.visit(session, candidate_id, identity=identity)
            async with self._database.write(patience_seconds=PATIENCE_SECONDS) as session:
                user_id = seen.user_id or await users.ensure_user(session, identity)
                standing = await votes.press(
                    session,
                    user_id=user_id,
                    candidate_id=candidate_id,
                    thumb=thumb,
                    event_id=event_id,
                    occurred_at=occurred_at,
                )
            return Pressed(request_id=seen.request_id, user_id=user_id, standing=standing)

        async with foreign_ids_recorded(self._database, identity, candidate_id):
            return await patiently(store)

    async def give_feedback(self, identity: Identity, candidate_id: str, given: Feedback) -> None:
        """Keep why the person does not like a candidate, and the better prompt; the last one stays.

        Raises:
            InvalidIdea, InvalidParameter: the form is empty, or its better prompt cannot be taken.
            NotFound: there is no such candidate for this person.
        """
        async with foreign_ids_recorded(self._database, identity, candidate_id), self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            request_id = await access.require_candidate_access(
                session, candidate_id, identity=identity, user_id=user_id
            )
            origin = await lineage.origin(session, request_id)
            readable = _readable(given, version=origin.midjourney_version)
            await feedback.give(session, user_id=user_id, candidate_id=candidate_id, feedback=readable)

    async def feedback_of(self, identity: Identity, candidate_id: str) -> Feedback | None:
        """Return what the person said of a candidate; None if nothing."""
        async with self._database.read() as session:
            user_id = await users.find_user(session, identity)
            return None if user_id is None else await feedback.of(session, user_id, candidate_id)

    async def share(self, identity: Identity, candidate_id: str, *, event_id: str, reply_to: Destination) -> None:
        """Have one candidate shown to everybody at `reply_to`; the same event shares once.

        Raises:
            NotFound: there is no such candidate for this person.
        """
        async with foreign_ids_recorded(self._database, identity, candidate_id), self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            request_id = await access.require_candidate_access(
                session, candidate_id, identity=identity, user_id=user_id
            )
            defaults = await workspaces.settings_of(session, identity.platform, identity.workspace_external_id)
            await outbox.add(
                session,
                request_id=request_id,
                platform=identity.platform,
                key=f"share:{event_id}",
                kind=OutboxKind.SHARE,
                destination=localised(reply_to, defaults),
                candidate_id=candidate_id,
            )


def _readable(given: Feedback, *, version: str) -> Feedback:
    text = (given.correction or "").strip()
    if not text and given.reason is None:
        raise InvalidIdea("The form is empty; choose a reason, or type a better prompt.")
    return Feedback(reason=given.reason, correction=read_idea(text, version=version).idea if text else None)
