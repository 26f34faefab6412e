"""The HTTP side: Slack's signed requests, and for many workspaces the two pages of an installation.

A request is checked here before anything reads it, because Slack's SDK parses first and writes what it refuses to the
log. A signature is good for five minutes.
"""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier

from bot.slack.surface import EVENTS_PATH
from core.errors import AddressInUse
from core.logs import get_logger
from core.settings import Settings

SHUTDOWN_SECONDS = 3.0
log = get_logger(__name__)


def create_site(app: AsyncApp, signing_secret: str) -> web.Application:
    """Return the web application that serves `app`."""
    site = app.web_app(path=EVENTS_PATH)
    site.middlewares.append(_signed_only(SignatureVerifier(signing_secret)))
    return site


async def start_site(site: web.Application, settings: Settings) -> tuple[web.AppRunner, int]:
    """Serve on SLACK_HOST and SLACK_PORT; return the runner and the port that was taken.

    Raises:
        AddressInUse: another program has the port.
    """
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.slack_host, settings.slack_port).start()
    except OSError as error:
        await runner.cleanup()
        raise AddressInUse(
            f"Slack's requests cannot be served on {settings.slack_host}:{settings.slack_port} ({error.strerror}); "
            "close the other program, or set SLACK_PORT."
        ) from error
    return runner, int(runner.addresses[0][1])


def _signed_only(verifier: SignatureVerifier) -> Middleware:
    @web.middleware
    async def require_signature(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST" and not _is_signed(verifier, await request.read(), request):
            log.warning("slack.wrong_signature")
            return web.json_response({"error": "invalid request"}, status=401)
        try:
            return await handler(request)
        except ValueError as error:  # Bolt parses outside of what it guards
            log.warning("slack.unreadable", error=type(error).__name__)
            return web.json_response({"error": "unreadable request"}, status=400)

    return require_signature


def _is_signed(verifier: SignatureVerifier, body: bytes, request: web.Request) -> bool:
    try:
        return verifier.is_valid(
            body, request.headers.get("X-Slack-Request-Timestamp"), request.headers.get("X-Slack-Signature")
        )
    except ValueError:  # a timestamp that is no number, a body that is no text
        return False
