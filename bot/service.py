"""What a person can do with the bot, whatever front end they use: ask, look, cancel, vote, consent.

Each command is checked first, then lands in rows within one transaction. It knows nothing of HTTP, chat SDKs
or models: the answer is written by a worker that meets this service only in the database.
"""

from dataclasses import dataclass

from bot.commands import require_known_command
from core.errors import TooManyRequests
from core.idea import Idea, read_idea
from core.records import CandidateView, Identity, NewRequest, RequestView, Thumb, WorkerStatus
from core.settings import Settings
from storage import consents, events, requests, users, votes, workers
from storage.database import Database, Session
from storage.forecast import WORKER_SILENCE_SECONDS
from storage.queue import JobQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """Who is there to answer; `queue_length` counts the queued and the running requests of everybody."""

    workers: tuple[WorkerStatus, ...]
    queue_length: int


class ChatService:
    """The chat commands over one database and one queue."""

    def __init__(self, database: Database, queue: JobQueue, settings: Settings) -> None:
        self._database = database
        self._queue = queue
        self._settings = settings

    async def ask(
        self, identity: Identity, text: str, *, event_id: str | None = None, num_candidates: int = 4
    ) -> RequestView:
        """Queue one idea; the same `event_id` from the same platform gives the same request again.

        Raises:
            InvalidIdea, InvalidParameter: the text cannot be taken; nothing was stored.
            TooManyRequests: the person's quota or the queue's limit is reached.
        """
        require_known_command(text)
        idea = read_idea(text, version=self._settings.midjourney_version)
        async with self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            request_id = await _replayed(session, identity, event_id)
            if request_id is None:
                await self._require_room(session, user_id)
                request_id = await self._queue.enqueue(session, user_id, self._new_request(idea, num_candidates))
                if event_id is not None:
                    await events.remember(session, identity.platform, event_id, request_id)
        async with self._database.read() as session:
            return await requests.view(session, request_id, viewer_id=user_id)

    async def view(self, identity: Identity, request_id: str) -> RequestView:
        """Show one request to the person who asked.

        Raises:
            NotFound: there is no such request, or it is somebody else's.
        """
        async with self._database.read() as session:
            user_id = await users.find_user(session, identity)
            await requests.require_own(session, request_id, user_id=user_id)
            return await requests.view(session, request_id, viewer_id=user_id)

    async def history(self, identity: Identity, *, before: str | None, limit: int) -> list[RequestView]:
        """Return up to `limit` of the person's requests, newest first, older than the request `before`."""
        async with self._database.read() as session:
            user_id = await users.find_user(session, identity)
            return [] if user_id is None else await requests.history(session, user_id, before=before, limit=limit)

    async def cancel(self, identity: Identity, request_id: str) -> RequestView:
        """Take the person's own request back and show it; one that had ended stays as it was.

        Raises:
            NotFound: there is no such request, or it is somebody else's.
        """
        async with self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            await requests.cancel(session, request_id, user_id=user_id)
        async with self._database.read() as session:
            return await requests.view(session, request_id, viewer_id=user_id)

    async def vote(self, identity: Identity, candidate_id: str, thumb: Thumb | None, *, event_id: str) -> CandidateView:
        """Set the person's vote, None takes it back; show the candidate with its new counts.

        Anybody who was shown a candidate may vote on it, not only the person who asked. A replayed `event_id`
        changes nothing.

        Raises:
            NotFound: there is no such candidate.
        """
        async with self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            return await votes.cast(session, user_id=user_id, candidate_id=candidate_id, thumb=thumb, event_id=event_id)

    async def has_consented(self, identity: Identity) -> bool:
        """Tell whether the person lets the next model learn from them; no decision is a no."""
        async with self._database.read() as session:
            user_id = await users.find_user(session, identity)
            return user_id is not None and await consents.has_consented(session, user_id)

    async def set_consent(self, identity: Identity, *, is_given: bool) -> None:
        """Record the person's decision about learning from them; it can be changed at any time."""
        async with self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            await consents.record(session, user_id, is_given=is_given)

    async def status(self) -> ServiceStatus:
        """Tell which workers are there and how many requests are open."""
        async with self._database.read() as session:
            return ServiceStatus(
                workers=tuple(await workers.live(session, within_seconds=WORKER_SILENCE_SECONDS)),
                queue_length=await requests.count_open(session),
            )

    async def _require_room(self, session: Session, user_id: str) -> None:
        mine, limit = (
            await requests.count_open(session, user_id=user_id),
            self._settings.max_open_requests_per_user,
        )
        if mine >= limit:
            raise TooManyRequests(
                f"You have {mine} requests waiting, and {limit} is the most; wait for one to end, or cancel one."
            )
        everybodys, limit = await requests.count_open(session), self._settings.max_queue_length
        if everybodys >= limit:
            raise TooManyRequests(f"The line is full with {everybodys} requests of {limit}; try again in a moment.")

    def _new_request(self, idea: Idea, num_candidates: int) -> NewRequest:
        return NewRequest(
            idea=idea.idea,
            subject=idea.subject,
            parameters=idea.parameters,
            images=idea.images,
            midjourney_version=self._settings.midjourney_version,
            num_candidates=num_candidates,
            timeout_seconds=self._settings.request_timeout_seconds,
        )


async def _replayed(session: Session, identity: Identity, event_id: str | None) -> str | None:
    """Return the request that the event led to before, None for a new event."""
    return None if event_id is None else await events.request_of(session, identity.platform, event_id)
