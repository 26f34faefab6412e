"""From what a person typed to a request that is ready to be queued, and the limits it has to pass.

Typed parameters win over chosen options, options over the workspace's defaults, those over the product's settings.
Pure functions first, then the one way into the queue. It knows no platform.
"""

from datetime import UTC, datetime, timedelta

from bot.ask_options import MAX_CANDIDATES, AskOptions, joined, require_possible, split_flags, with_options
from bot.commands import require_known_command
from core.errors import InvalidParameter, TooManyRequests, UserError
from core.idea import Idea, read_idea
from core.midjourney_versions import ALL_VERSIONS
from core.records import Destination, Identity, NewRequest, OutboxKind, WorkspaceSettings
from core.settings import Settings
from storage import events, outbox, quotas, requests
from storage.database import Session
from storage.queue import JobQueue

QUOTA_WINDOW = timedelta(hours=24)


def require_readable(text: str, options: AskOptions, settings: Settings) -> None:
    """Check a text and its options before anything is stored, without knowing the workspace.

    A parameter that only some versions take passes as long as one does: which version holds is known later.

    Raises:
        InvalidIdea, InvalidParameter: the text or an option cannot be taken.
    """
    try:
        new_request(text, options, settings, WorkspaceSettings())
    except InvalidParameter:
        if not any(_is_taken(text, options, settings, version) for version in ALL_VERSIONS):
            raise


def new_request(text: str, options: AskOptions, settings: Settings, defaults: WorkspaceSettings) -> NewRequest:
    """Return what to queue for a typed text under the options and a workspace's defaults.

    Raises:
        InvalidIdea, InvalidParameter: the text or an option cannot be taken.
    """
    require_known_command(text)
    bare, typed = split_flags(text)
    wanted = joined(typed, options)
    require_possible(wanted)
    version = defaults.midjourney_version or settings.midjourney_version
    idea = _idea(with_options(bare, wanted), version=version, default_ratio=defaults.aspect_ratio)
    return NewRequest(
        idea=idea.idea,
        subject=idea.subject,
        parameters=idea.parameters,
        images=idea.images,
        midjourney_version=version,
        num_candidates=MAX_CANDIDATES if wanted.num_candidates is None else wanted.num_candidates,
        timeout_seconds=settings.request_timeout_seconds,
        is_private=defaults.is_private if wanted.is_private is None else wanted.is_private,
    )


class Intake:
    """The one way into the queue: once an event, within the limits, together with the message that will show it."""

    def __init__(self, queue: JobQueue, settings: Settings) -> None:
        self._queue = queue
        self._settings = settings

    async def take_in(
        self,
        session: Session,
        identity: Identity,
        user_id: str,
        request: NewRequest,
        *,
        defaults: WorkspaceSettings,
        event_id: str | None,
        reply_to: Destination | None,
    ) -> str:
        """Queue a request in the caller's transaction and return its id.

        Raises:
            TooManyRequests: the person's quota or the queue's limit is reached.
        """
        await self._require_room(session, user_id)
        await _require_quota(session, user_id, identity.workspace_external_id, defaults.max_requests_per_day)
        request_id = await self._queue.enqueue(
            session, user_id, request, conversation_external_id=identity.conversation_external_id
        )
        if event_id is not None:
            await events.remember(session, identity.platform, event_id, request_id)
        if reply_to is not None:
            await outbox.add(
                session,
                request_id=request_id,
                platform=identity.platform,
                key=f"answer:{request_id}",
                kind=OutboxKind.ANSWER,
                destination=localised(reply_to, defaults),
            )
        return request_id

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


def localised(destination: Destination, defaults: WorkspaceSettings) -> Destination:
    """Return the destination in the workspace's language, unless the platform knows the reader's own."""
    return destination if defaults.language is None else {"language": defaults.language, **destination}


def _is_taken(text: str, options: AskOptions, settings: Settings, version: str) -> bool:
    try:
        new_request(text, options, settings, WorkspaceSettings(midjourney_version=version))
    except UserError:
        return False
    return True


def _idea(text: str, *, version: str, default_ratio: str | None) -> Idea:
    """Read the text under the default ratio, or without it where that cannot be added to this text."""
    if default_ratio is not None:
        try:
            return read_idea(with_options(text, AskOptions(aspect_ratio=default_ratio)), version=version)
        except UserError:
            pass  # the text alone is read next, and says itself what is wrong with it
    return read_idea(text, version=version)


async def _require_quota(session: Session, user_id: str, workspace_external_id: str | None, limit: int | None) -> None:
    if limit is None or workspace_external_id is None:
        return
    now = datetime.now(UTC)
    asked_at = await quotas.nth_newest(
        session, user_id=user_id, workspace_external_id=workspace_external_id, since=now - QUOTA_WINDOW, n=limit
    )
    if asked_at is not None:
        wait = _in_words(asked_at + QUOTA_WINDOW - now)
        raise TooManyRequests(
            f"{limit} requests within 24 hours is the limit here, and you have used them; ask again in {wait}."
        )


def _in_words(wait: timedelta) -> str:
    minutes = max(1, -(-int(wait.total_seconds()) // 60))
    hours, rest = divmod(minutes, 60)
    return f"{rest} min" if hours == 0 else f"{hours} h" if rest == 0 else f"{hours} h {rest} min"
