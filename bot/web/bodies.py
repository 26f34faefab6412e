"""Reading what a web client sends: JSON bodies, query values and the idempotency key.

Every value is checked for its type here, so a handler sees only well-typed ones. What an idea may hold is not
known here.
"""

import json
import re
from collections.abc import Mapping

from aiohttp import web

from core.characters import shown
from core.errors import InvalidBody
from core.records import Thumb

MAX_BODY_BYTES = 16 * 1024
MAX_WAIT_SECONDS = 25.0
MAX_PAGE_SIZE = 50
DEFAULT_PAGE_SIZE = 10

_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


async def read_json_object(request: web.Request, *, field: str) -> object:
    """Read a JSON object that has exactly the one `field`, and return the field's value.

    Raises:
        InvalidBody: not JSON, not an object, the field is missing, or there are others.
        web.HTTPUnsupportedMediaType: the content type is not application/json.
        web.HTTPRequestEntityTooLarge: more than 16 KB.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    body = _decoded(await request.read())
    if not isinstance(body, dict):
        raise InvalidBody(f'The body is {_json_type(body)}; send an object such as {{"{field}": …}}.')
    if field not in body:
        raise InvalidBody(f'The body has no field "{field}"; send an object such as {{"{field}": …}}.')
    for name in body:
        if name != field:
            raise InvalidBody(f'The body\'s field "{shown(name)}" is not known here; send only "{field}".')
    return body[field]


def as_text(value: object, *, field: str) -> str:
    """Return `value` as text. Raises: InvalidBody."""
    if not isinstance(value, str):
        raise InvalidBody(f'"{field}" is {_json_type(value)}; send text in quotation marks.')
    return value


def as_flag(value: object, *, field: str) -> bool:
    """Return `value` as true or false. Raises: InvalidBody."""
    if not isinstance(value, bool):
        raise InvalidBody(f'"{field}" is {_json_type(value)}; send true or false.')
    return value


def as_thumb(value: object) -> Thumb | None:
    """Return `value` as a vote, None to take one back. Raises: InvalidBody."""
    if value is None:
        return None
    for thumb in Thumb:
        if value == thumb.value:
            return thumb
    found = f'"{shown(value)}"' if isinstance(value, str) else _json_type(value)
    raise InvalidBody(f'"thumb" is {found}; send "up", "down" or null.')


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
    """Return how many requests one page of history holds. Raises: InvalidBody."""
    text = query.get("limit", str(DEFAULT_PAGE_SIZE))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_PAGE_SIZE):
        raise InvalidBody(f'"limit" is {shown(text)}; use a whole number from 1 to {MAX_PAGE_SIZE}.')
    return int(text)


def page_start(query: Mapping[str, str]) -> str | None:
    """Return the request id that a page continues after, None for the newest. Raises: InvalidBody."""
    text = query.get("before")
    if text is not None and _ULID.fullmatch(text) is None:
        raise InvalidBody(f'"before" is {shown(text)}; use the id of a request, 26 characters long.')
    return text


def _decoded(raw: bytes) -> object:
    try:
        body: object = json.loads(raw.decode("utf-8"))
    except RecursionError:
        raise InvalidBody("The body is nested too deeply; send one flat JSON object.") from None
    except ValueError:
        raise InvalidBody("The body is not valid JSON in UTF-8; send one JSON object.") from None
    return body


def _json_type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
