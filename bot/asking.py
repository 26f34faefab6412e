"""Asking: one idea, or going on from an answer by varying, editing or repeating it.

Each ends as one request in the queue within one transaction; the same event of the same platform changes nothing the
second time. How a text is read is in bot/intake.py, what a variation asks for in bot/variation.py.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from bot.access import foreign_ids_recorded
from bot.ask_options import AskOptions
from bot.intake import Intake, new_request, require_readable
from bot.patience import PATIENCE_SECONDS, patiently
from bot.variation import varied_idea
from core.errors import NotFound
from core.records import Destination, Identity, NewRequest, RequestKind, RequestView, WorkspaceSettings
from core.settings import Settings
from storage import access, candidates, events, lineage, requests, users, workspaces
from storage.database import Database, Session
from storage.queue import JobQueue

MAX_AVOIDED = 12  # earlier texts that a re-roll has to differ from

Draft = Callable[[Session, str, WorkspaceSettings], Awaitable[NewRequest]]  # within the transaction, for a user id


class AskingService:
    """What puts requests into the queue."""

    def __init__(self, database: Database, queue: JobQueue, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._intake = Intake(queue, settings)

    def check(self, text: str, options: AskOptions | None = None) -> None:
        """Check an ask without storing anything, in microseconds: for before the acknowledgement.

        Raises:
            InvalidIdea, InvalidParameter: the text or an option cannot be taken.
        """
        require_readable(text, options or AskOptions(), self._settings)

    async def ask(
        self,
        identity: Identity,
        text: str,
        *,
        event_id: str | None = None,
        num_candidates: int | None = None,
        reply_to: Destination | None = None,
        options: AskOptions | None = None,
    ) -> RequestView:
        """Queue one idea, and the message that will show its answer if `reply_to` says where.

        The same `event_id` from the same platform gives the same request again. `--count` and `--private` are read
        off the text; what is typed wins over `options`, and those over the workspace's defaults.

        Raises:
            InvalidIdea, InvalidParameter: the text or an option cannot be taken; nothing was stored.
            TooManyRequests: the person's quota or the queue's limit is reached.
        """
        wanted = options or AskOptions()
        if wanted.num_candidates is None:
            wanted = replace(wanted, num_candidates=num_candidates)
        self.check(text, wanted)

        async def draft(_: Session, __: str, defaults: WorkspaceSettings) -> NewRequest:
            return new_request(text, wanted, self._settings, defaults)

        return await self._queued_once(identity, draft, event_id=event_id, reply_to=reply_to)

    async def vary(
        self, identity: Identity, candidate_id: str, *, event_id: str | None, reply_to: Destination | None = None
    ) -> RequestView:
        """Queue more prompts like one candidate; whoever may see it may vary it.

        Raises:
            NotFound: there is no such candidate for this person.
            TooManyRequests: the person's quota or the queue's limit is reached.
        """

        async def draft(session: Session, user_id: str, defaults: WorkspaceSettings) -> NewRequest:
            parent_id = await access.require_candidate_access(session, candidate_id, identity=identity, user_id=user_id)
            origin = await lineage.origin(session, parent_id)
            candidate = await candidates.view(session, candidate_id, viewer_id=user_id)
            idea = varied_idea(candidate.text, origin)
            return replace(
                self._following(origin, parent_id, RequestKind.VARY, defaults),
                idea=idea.idea,
                subject=idea.subject,
                parameters=idea.parameters,
                images=idea.images,
                avoid=await requests.texts_of(session, [parent_id]),
            )

        async with foreign_ids_recorded(self._database, identity, candidate_id):
            return await self._queued_once(identity, draft, event_id=event_id, reply_to=reply_to)

    async def remix(
        self,
        identity: Identity,
        request_id: str,
        text: str,
        *,
        event_id: str | None,
        reply_to: Destination | None = None,
    ) -> RequestView:
        """Queue an edited idea that goes on from a request; it is read like a new one.

        Raises:
            InvalidIdea, InvalidParameter: the text cannot be taken.
            NotFound: there is no such request for this person.
            TooManyRequests: the person's quota or the queue's limit is reached.
        """
        self.check(text)

        async def draft(session: Session, user_id: str, defaults: WorkspaceSettings) -> NewRequest:
            await access.require_access(session, request_id, identity=identity, user_id=user_id)
            origin = await lineage.origin(session, request_id)
            options = AskOptions(num_candidates=origin.num_candidates, is_private=origin.is_private or None)
            edited = new_request(text, options, self._settings, defaults)
            return replace(edited, kind=RequestKind.REMIX, parent_id=request_id)

        async with foreign_ids_recorded(self._database, identity, request_id):
            return await self._queued_once(identity, draft, event_id=event_id, reply_to=reply_to)

    async def reroll(
        self, identity: Identity, request_id: str, *, event_id: str | None, reply_to: Destination | None = None
    ) -> RequestView:
        """Queue the same idea again; the answer differs from the earlier ones.

        Raises:
            NotFound: there is no such request for this person.
            TooManyRequests: the person's quota or the queue's limit is reached.
        """

        async def draft(session: Session, user_id: str, defaults: WorkspaceSettings) -> NewRequest:
            await access.require_access(session, request_id, identity=identity, user_id=user_id)
            origin = await lineage.origin(session, request_id)
            avoid = await lineage.answers_so_far(session, request_id, user_id=user_id, limit=MAX_AVOIDED)
            return replace(self._following(origin, request_id, RequestKind.REROLL, defaults), avoid=avoid)

        async with foreign_ids_recorded(self._database, identity, request_id):
            return await self._queued_once(identity, draft, event_id=event_id, reply_to=reply_to)

    def _following(
        self, origin: NewRequest, parent_id: str, kind: RequestKind, defaults: WorkspaceSettings
    ) -> NewRequest:
        """Return the request again as one that goes on from it; what was private stays private."""
        return replace(
            origin,
            kind=kind,
            parent_id=parent_id,
            timeout_seconds=self._settings.request_timeout_seconds,
            is_private=origin.is_private or defaults.is_private,
        )

    async def _queued_once(
        self, identity: Identity, draft: Draft, *, event_id: str | None, reply_to: Destination | None
    ) -> RequestView:
        """Queue what `draft` makes, or find what the same event queued before; show it.

        Somebody who is told elsewhere (`reply_to`) can wait for a busy database longer than somebody who looks on.
        """

        is_promised = event_id is not None and reply_to is not None

        async def queue() -> tuple[str, str]:
            async with self._database.write(patience_seconds=PATIENCE_SECONDS if is_promised else None) as session:
                return await self._queue_once(session, identity, draft, event_id=event_id, reply_to=reply_to)

        patience_seconds = PATIENCE_SECONDS if is_promised else 0.0
        request_id, user_id = await patiently(queue, patience_seconds=patience_seconds)
        return await patiently(lambda: self._shown(request_id, user_id), patience_seconds=patience_seconds)

    async def _queue_once(
        self, session: Session, identity: Identity, draft: Draft, *, event_id: str | None, reply_to: Destination | None
    ) -> tuple[str, str]:
        """Return the request's id and the person's."""
        user_id = await users.ensure_user(session, identity)
        request_id = await _replayed(session, identity, user_id, event_id)
        if request_id is None:
            defaults = await workspaces.settings_of(session, identity.platform, identity.workspace_external_id)
            request_id = await self._intake.take_in(
                session,
                identity,
                user_id,
                await draft(session, user_id, defaults),
                defaults=defaults,
                event_id=event_id,
                reply_to=reply_to,
            )
        return request_id, user_id

    async def _shown(self, request_id: str, viewer_id: str) -> RequestView:
        async with self._database.read() as session:
            return await requests.view(session, request_id, viewer_id=viewer_id)


async def _replayed(session: Session, identity: Identity, user_id: str, event_id: str | None) -> str | None:
    """Take the event in; return the request that it led to before, None for a new event.

    Raises:
        NotFound: it led to one that was deleted since; a replay does not ask for it again.
    """
    if event_id is None or await events.first_time(session, identity.platform, event_id, user_id=user_id):
        return None
    request_id = await events.request_of(session, identity.platform, event_id)
    if request_id is None:
        raise NotFound("That request was deleted; ask again to get a new one.")
    return request_id
