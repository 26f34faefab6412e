"""Who a browser is: a random cookie, known to the database only by its SHA-256.

There are no accounts: the cookie is the person. Whoever reads the database cannot make a cookie from it.
"""

import hashlib
import re
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler

from core.records import Identity, Platform

COOKIE_NAME = "mjprompt_visitor"
COOKIE_LIFETIME_SECONDS = 365 * 24 * 3600
_SECRET_BYTES = 16  # 128 bits
_SECRET_FORM = re.compile(r"[A-Za-z0-9_-]{22}")
_SECRET = web.RequestKey("visitor_secret", str)


def visitor(request: web.Request) -> Identity:
    """Return who asks; a browser without a cookie becomes a new visitor and is given one with the reply."""
    secret = request.get(_SECRET) or _from_cookie(request) or secrets.token_urlsafe(_SECRET_BYTES)
    request[_SECRET] = secret
    return Identity(platform=Platform.WEB, external_id=hashlib.sha256(secret.encode()).hexdigest())


@web.middleware
async def give_cookie(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the visitor's cookie, for another year, with every reply that was made for a visitor."""
    response = await handler(request)
    secret = request.get(_SECRET)
    if secret is not None:
        response.set_cookie(
            COOKIE_NAME,
            secret,
            max_age=COOKIE_LIFETIME_SECONDS,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=_came_by_https(request),
        )
    return response


def _from_cookie(request: web.Request) -> str | None:
    secret = request.cookies.get(COOKIE_NAME)
    return secret if secret is not None and _SECRET_FORM.fullmatch(secret) else None


def _came_by_https(request: web.Request) -> bool:
    """A proxy may end TLS in front of us; a forged header only costs the forger their own cookie."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
