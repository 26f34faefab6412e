"""What a person can do with the bot, whatever front end they use: the chat commands in one place.

Asking is in bot/asking.py, opinions of candidates in bot/opinions.py; here are looking, taking back and consent. Each
command lands in rows within one transaction. It knows nothing of HTTP, chat SDKs or models: the answer is written by a
worker that meets this service only in the database.
"""

from dataclasses import dataclass

from bot.access import foreign_ids_recorded
from bot.asking import AskingService
from bot.opinions import OpinionService
from core.records import Identity, RequestView, WorkerStatus
from core.settings import Settings
from storage import access, consents, requests, users, workers
from storage.database import Database
from storage.forecast import WORKER_SILENCE_SECONDS
from storage.queue import JobQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """Who is there to answer; `queue_length` counts the queued and the running requests of everybody."""

    workers: tuple[WorkerStatus, ...]
    queue_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """A person's open requests, oldest first, and how busy the bot is."""

    own: tuple[RequestView, ...]
    queue_length: int
    workers: tuple[WorkerStatus, ...]


class ChatService(AskingService, OpinionService):
    """The chat commands over one database and one queue."""

    def __init__(self, database: Database, queue: JobQueue, settings: Settings) -> None:
        AskingService.__init__(self, database, queue, settings)
        OpinionService.__init__(self, database)

    async def view(self, identity: Identity, request_id: str) -> RequestView:
        """Show one request to the person who asked.

        Raises:
            NotFound: there is no such request, or it is somebody else's.
        """
        async with self._database.read() as session:
            user_id = await users.find_user(session, identity)
            await requests.require_own(session, request_id, user_id=user_id)
            return await requests.view(session, request_id, viewer_id=user_id)

    async def view_shared(self, identity: Identity, request_id: str) -> RequestView:
        """Show one request to whoever may see it.

        Raises:
            NotFound: there is no such request for this person.
        """
        async with foreign_ids_recorded(self._database, identity, request_id), self._database.read() as session:
            user_id = await users.find_user(session, identity)
            await access.require_access(session, request_id, identity=identity, user_id=user_id)
            return await requests.view(session, request_id, viewer_id=user_id)

    async def request_of(self, identity: Identity, candidate_id: str) -> RequestView:
        """Show the request of one candidate to whoever may see it.

        Raises:
            NotFound: there is no such candidate for this person.
        """
        async with foreign_ids_recorded(self._database, identity, candidate_id), self._database.read() as session:
            user_id = await users.find_user(session, identity)
            request_id = await access.require_candidate_access(
                session, candidate_id, identity=identity, user_id=user_id
            )
            return await requests.view(session, request_id, viewer_id=user_id)

    async def history(self, identity: Identity, *, before: str | None, limit: int) -> list[RequestView]:
        """Return up to `limit` of the person's requests, newest first, older than the request `before`."""
        async with self._database.read() as session:
            user_id = await users.find_user(session, identity)
            return [] if user_id is None else await requests.history(session, user_id, before=before, limit=limit)

    async def queue(self, identity: Identity) -> QueueView:
        """Show the person's open requests, how long the line is and who is there to answer."""
        async with self._database.read() as session:
            user_id = await users.find_user(session, identity)
            own = [] if user_id is None else await requests.open_of(session, user_id)
        status = await self.status()
        return QueueView(own=tuple(own), queue_length=status.queue_length, workers=status.workers)

    async def cancel(self, identity: Identity, request_id: str) -> RequestView:
        """Take the person's own request back and show it; one that had ended stays as it was.

        Raises:
            NotFound: there is no such request, or it is somebody else's.
        """
        async with foreign_ids_recorded(self._database, identity, request_id), self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            await access.require_access(session, request_id, identity=identity, user_id=user_id)
            await requests.cancel(session, request_id, user_id=user_id)
        return await self._shown(request_id, user_id)

    async def cancel_open(self, identity: Identity) -> int:
        """Take all of the person's open requests back; tell how many there were."""
        async with self._database.write() as session:
            user_id = await users.find_user(session, identity)
            return 0 if user_id is None else await requests.cancel_open(session, user_id)

    async def delete(self, identity: Identity, request_id: str) -> None:
        """Delete the person's own request with all that hangs on it.

        Raises:
            NotFound: there is no such request, or it is somebody else's.
        """
        async with foreign_ids_recorded(self._database, identity, request_id), self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            await access.require_access(session, request_id, identity=identity, user_id=user_id)
            await requests.delete(session, request_id, user_id=user_id)

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
