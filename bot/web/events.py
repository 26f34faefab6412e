"""The ids of a web visitor's events: a client's Idempotency-Key, kept apart from those of other visitors and calls."""

from aiohttp import web

from bot.web.bodies import idempotency_key
from core.records import Identity
from storage.identifiers import new_id


def event_id_of(request: web.Request, who: Identity, kind: str) -> str | None:
    """Return the event's id from the client's key, None without one; keys of different visitors never meet.

    Raises:
        InvalidBody: the key has characters or a length that is not taken.
    """
    key = idempotency_key(request)
    return None if key is None else f"{kind}:{who.external_id}:{key}"


def event_id_or_new(request: web.Request, who: Identity, kind: str) -> str:
    """Return the event's id as `event_id_of` does; without a key it is an event of its own.

    Raises:
        InvalidBody: the key has characters or a length that is not taken.
    """
    return event_id_of(request, who, kind) or new_id()
