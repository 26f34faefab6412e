"""Reading what a web client sends: JSON bodies, query values and the idempotency key.

What shape a body has is checked here, what type a value has in fields.py. What an idea may hold is not known here.
"""

import json
import re
from collections.abc import Mapping, Sequence

from aiohttp import web

from bot.web.fields import json_type
from core.characters import shown
from core.errors import InvalidBody

MAX_BODY_BYTES = 16 * 1024
MAX_WAIT_SECONDS = 25.0
MAX_PAGE_SIZE = 50
DEFAULT_PAGE_SIZE = 10

ID_IN_PATH = "{id:[0-9A-HJKMNP-TV-Z]{26}}"  # a ULID
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


async def read_fields(
    request: web.Request, *, required: Sequence[str] = (), optional: Sequence[str] = ()
) -> Mapping[str, object]:
    """Read a JSON object with all `required` fields and maybe some `optional` ones; these are null where left out.

    Raises:
        InvalidBody: not JSON, not an object, a required field is missing, or there are others.
        web.HTTPUnsupportedMediaType: the content type is not application/json.
        web.HTTPRequestEntityTooLarge: more than 16 KB.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    body = _decoded(await request.read())
    known = (*required, *optional)
    if not isinstance(body, dict):
        raise InvalidBody(f'The body is {json_type(body)}; send an object such as {{"{known[0]}": …}}.')
    for name in required:
        if name not in body:
            raise InvalidBody(f'The body has no field "{name}"; send an object such as {{"{name}": …}}.')
    for name in body:
        if name not in known:
            cure = " and ".join(f'"{field}"' for field in known)
            raise InvalidBody(f'The body\'s field "{shown(name)}" is not known here; send only {cure}.')
    return {name: body.get(name) for name in known}


async def read_field(request: web.Request, field: str) -> object:
    """Read a JSON object that has exactly the one `field`, and return the field's value. Raises: as `read_fields`."""
    return (await read_fields(request, required=(field,)))[field]


async def require_nothing(request: web.Request) -> None:
    """Check that no field is sent where none is taken: no body, or an empty object. Raises: InvalidBody."""
    body = await request.read()
    if body and _decoded(body) != {}:
        raise InvalidBody("This address takes no fields; send no body, or an empty object.")


def idempotency_key(request: web.Request) -> str | None:
    """Return the Idempotency-Key header, None when absent. Raises: InvalidBody."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and _IDEMPOTENCY_KEY.fullmatch(key) is None:
        raise InvalidBody(
            f'The header Idempotency-Key is "{shown(key)}"; use 1 to 100 letters, digits or the signs . _ : -'
        )
    return key


def wait_seconds(query: Mapping[str, str]) -> float:
    """Return how long a long poll may take, 0 when not asked for. Raises: InvalidBody."""
    text = query.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise InvalidBody(f'"wait" is {shown(text)}; use seconds from 0 to {MAX_WAIT_SECONDS:g}.')
    return seconds


def page_size(query: Mapping[str, str]) -> int:
    """Return how many things one page of a list holds. Raises: InvalidBody."""
    text = query.get("limit", str(DEFAULT_PAGE_SIZE))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_PAGE_SIZE):
        raise InvalidBody(f'"limit" is {shown(text)}; use a whole number from 1 to {MAX_PAGE_SIZE}.')
    return int(text)


def page_start(query: Mapping[str, str]) -> str | None:
    """Return the id that a page continues after, None for the newest. Raises: InvalidBody."""
    text = query.get("before")
    if text is not None and _ULID.fullmatch(text) is None:
        raise InvalidBody(f'"before" is {shown(text)}; use an id, 26 characters long: the last page\'s "next_before".')
    return text


def _decoded(raw: bytes) -> object:
    try:
        body: object = json.loads(raw.decode("utf-8"))
    except RecursionError:
        raise InvalidBody("The body is nested too deeply; send one flat JSON object.") from None
    except ValueError:
        raise InvalidBody("The body is not valid JSON in UTF-8; send one JSON object.") from None
    return body
