"""Who may reach the web chat at all: host names, the password, cross-site writes, and every reply's headers.

Each check fails closed. What a visitor may do once inside is not known here.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from core.errors import NotAllowed
from core.settings import LOOPBACK_HOSTS, Settings

HEALTH_PATH = "/api/health"
WRONG_PASSWORD_DELAY_SECONDS = 0.5
_READS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_SAME_SITE_ENOUGH = frozenset({"same-origin", "none"})  # "none": typed into the address bar
_CHALLENGE = {hdrs.WWW_AUTHENTICATE: 'Basic realm="mjprompt", charset="UTF-8"'}

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


async def send_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Harden every reply; replies of the API are never cached, files are checked again each time."""
    response.headers.update(SECURITY_HEADERS)
    is_api = request.path.startswith("/api/")
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store" if is_api else "no-cache")
    response.headers[hdrs.SERVER] = "mjprompt"


def known_host_only(settings: Settings) -> Middleware:
    """Refuse host names that are not ours, so that no foreign page can rebind its name to this machine."""
    served = _allowed_hosts(settings)
    is_open = settings.web_host not in LOOPBACK_HOSTS and not served
    permitted = served | LOOPBACK_HOSTS | {settings.web_host.lower()}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_open and _host_name(request.headers.get(hdrs.HOST, "")) not in permitted:
            raise NotAllowed(
                "This address is not one the chat is served under; open it as localhost, "
                "or list its name in WEB_ALLOWED_HOSTS."
            )
        return await handler(request)

    return check


def password_only(settings: Settings) -> Middleware:
    """Ask for the password by HTTP Basic on everything but the health check, where a password is set."""
    secret = settings.web_password
    expected = None if secret is None else hashlib.sha256(secret.get_secret_value().encode()).digest()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if expected is None or request.path == HEALTH_PATH:
            return await handler(request)
        header = request.headers.get(hdrs.AUTHORIZATION)
        given = hashlib.sha256(_password_in(header)).digest()
        if hmac.compare_digest(given, expected):
            return await handler(request)
        if header is not None:
            await asyncio.sleep(WRONG_PASSWORD_DELAY_SECONDS)
        raise web.HTTPUnauthorized(headers=_CHALLENGE)

    return check


def same_origin_writes_only(settings: Settings) -> Middleware:
    """Refuse writes that another site's page makes a browser send; other clients send no origin."""
    served = _allowed_hosts(settings)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in _READS and not _is_from_our_page(request, served):
            raise NotAllowed("This came from another site's page; use the chat's own page.")
        return await handler(request)

    return check


def _is_from_our_page(request: web.Request, served: frozenset[str]) -> bool:
    if request.headers.get("Sec-Fetch-Site", "none") not in _SAME_SITE_ENOUGH:
        return False
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return True
    address = origin.partition("://")[2].lower()
    return address == request.headers.get(hdrs.HOST, "").lower() or _host_name(address) in served


def _allowed_hosts(settings: Settings) -> frozenset[str]:
    names = (name.strip() for name in settings.web_allowed_hosts.split(","))
    return frozenset(_host_name(name) for name in names if name)


def _host_name(address: str) -> str:
    """Return the lower-case name in `name:port`, empty when there is none to be read."""
    try:
        return (urlsplit(f"//{address}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _password_in(header: str | None) -> bytes:
    """Return the password of an HTTP Basic header, empty when there is none; any user name will do."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
