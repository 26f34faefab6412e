"""The fake as tests use it: starts the server, owns the parts, and refuses to end quietly after a violation.

async with FakeSlack() as slack:
    team = slack.add_team("Snow club")
    here = team.add_user("alice").at(team.add_channel("prompts"))
    sent = await here.slash("/mjprompt", "a boy --ar 16:9")
"""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, Self, TypeVar

from aiohttp import web

from tests.fakes.clock import VirtualClock
from tests.fakes.patience import acknowledgement_seconds
from tests.fakes.slack.account_methods import account_methods
from tests.fakes.slack.answers import answer_by_url
from tests.fakes.slack.chat_methods import PostRates, chat_methods
from tests.fakes.slack.deliveries import Delivery
from tests.fakes.slack.faults import Faults
from tests.fakes.slack.installation import Installations
from tests.fakes.slack.people import Person
from tests.fakes.slack.signed_requests import Signature, SignedRequests
from tests.fakes.slack.socket_mode import SocketMode
from tests.fakes.slack.view_methods import view_methods
from tests.fakes.slack.web_api import Call, WebApi, with_faults
from tests.fakes.slack.workspaces import Team
from tests.fakes.slack.world import DEFAULT_BOT_SCOPES, World

T = TypeVar("T")
MAX_DELIVERIES_KEPT = 2_000
POLL_SECONDS = 0.005
RETRY_DELAYS_SECONDS = (0.0, 60.0, 300.0)


class FakeSlack:
    """A Slack with one app on loopback; `port` 0 means any free one."""

    def __init__(
        self,
        *,
        port: int = 0,
        app_token: str = "xapp-1-A0000001-1-fake",
        signing_secret: str = "fake-signing-secret",
        client_id: str = "111.222",
        client_secret: str = "fake-client-secret",
        bot_scopes: tuple[str, ...] = DEFAULT_BOT_SCOPES,
        ack_seconds: float | None = None,
        trigger_seconds: float | None = None,
    ) -> None:
        self.world = World(
            app_token=app_token,
            signing_secret=signing_secret,
            client_id=client_id,
            client_secret=client_secret,
            bot_scopes=bot_scopes,
            ack_seconds=ack_seconds or acknowledgement_seconds(),
            trigger_seconds=trigger_seconds or acknowledgement_seconds(),
        )
        self.world.outbound = self
        self.retry_delays_seconds = list(RETRY_DELAYS_SECONDS)  # of the Events API; a test may change the items
        self.transport: Literal["socket", "http"] = "socket"
        self.rates = PostRates()
        self.deliveries: deque[Delivery] = deque(maxlen=MAX_DELIVERIES_KEPT)
        self.installations = Installations(self.world)
        self.sockets = SocketMode(self.world, self.retry_delays_seconds)
        self.requests = SignedRequests(self.world, self.retry_delays_seconds)
        accounts = account_methods(self.sockets, self.installations)
        self._web_api = WebApi(self.world, accounts | chat_methods(self.rates) | view_methods())
        self._port = port
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._web_api.serve)
        app.router.add_get("/link", self.sockets.serve)
        app.router.add_post("/response/{key}", self._serve_response_url)
        app.router.add_get("/oauth/v2/authorize", self.installations.authorize)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.world.base_url = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        await self.sockets.drop(abruptly=True)
        await self.world.close()
        await self.requests.close()
        assert self._runner is not None
        await self._runner.cleanup()
        found = "\n".join(f"- {text}" for text in self.violations)
        if found and error is None:
            raise AssertionError(f"Slack's rules were broken:\n{found}")
        if found and error is not None:
            error.add_note(f"Slack's rules were broken as well:\n{found}")

    @property
    def api_base(self) -> str:
        return f"{self.world.base_url}/api/"

    @property
    def authorize_url(self) -> str:
        return f"{self.world.base_url}/oauth/v2/authorize"

    @property
    def app_token(self) -> str:
        return self.world.app_token

    @property
    def signing_secret(self) -> str:
        return self.world.signing_secret

    @property
    def client_id(self) -> str:
        return self.world.client_id

    @property
    def client_secret(self) -> str:
        return self.world.client_secret

    @property
    def clock(self) -> VirtualClock:
        return self.world.clock

    @property
    def faults(self) -> Faults:
        return self.world.faults

    @property
    def violations(self) -> list[str]:
        """What a correct bot would not have done; a test that wants one takes it out with `expect_violation`."""
        return self.world.violations

    @property
    def calls(self) -> deque[Call]:
        """The latest calls of the Web API, oldest first."""
        return self._web_api.calls

    @property
    def request_url(self) -> str:
        return self.requests.url

    @request_url.setter
    def request_url(self, url: str) -> None:
        self.requests.url = url

    @property
    def signature(self) -> Signature:
        return self.requests.signature

    @signature.setter
    def signature(self, signature: str) -> None:
        self.requests.signature = Signature(signature)

    @property
    def enforce_rate_limits(self) -> bool:
        return self.rates.is_enforced

    @enforce_rate_limits.setter
    def enforce_rate_limits(self, is_enforced: bool) -> None:
        self.rates.is_enforced = is_enforced

    @property
    def installer(self) -> Person | None:
        """Who sits at the browser that opens the installation page."""
        return self.installations.installer

    @installer.setter
    def installer(self, person: Person) -> None:
        self.installations.installer = person

    async def challenge(self) -> str:
        """Ask the request URL to prove that it is the app's; return what it answered."""
        return await self.requests.challenge()

    @property
    def is_connected(self) -> bool:
        return bool(self.sockets.connections)

    def add_team(self, name: str, *, is_installed: bool = True, bot_token: str | None = None) -> Team:
        """Add a workspace; without `is_installed` it gets the app by the installation flow."""
        team = Team(self.world, name, is_installed=is_installed, bot_token=bot_token)
        self.world.teams[team.id] = team
        return team

    def calls_of(self, method: str) -> list[Call]:
        """Return the latest calls of one method, oldest first."""
        return [call for call in self.calls if call.method == method]

    def expect_violation(self, fragment: str) -> str:
        """Take out the violation that contains `fragment` and return it.

        Raises:
            AssertionError: there is none.
        """
        for text in self.violations:
            if fragment in text:
                self.violations.remove(text)
                return text
        raise AssertionError(f"There is no violation with {fragment!r}: {self.violations}")

    async def send(self, delivery: Delivery, *, wait: bool = True) -> None:
        """Send a delivery by the transport in use; `wait` until it is acknowledged, refused or too late."""
        self.deliveries.append(delivery)
        if self.transport == "socket":
            await self.sockets.send(delivery)
        elif wait:
            await self.requests.send(delivery)
        else:
            self.world.spawn(self.requests.send(delivery))
        if wait:
            await self._settled(delivery)

    async def replay(self, delivery: Delivery, *, reason: str = "timeout", wait: bool = True) -> None:
        """Send a delivery once more, as a retry with a new envelope_id."""
        delivery.settled.clear()
        transport = self.sockets if self.transport == "socket" else self.requests
        await transport.send(delivery, retry_num=max(1, delivery.num_attempts), reason=reason)
        if wait:
            await self._settled(delivery)

    async def drop_connections(self, *, abruptly: bool = False) -> None:
        """Close every socket; what was not acknowledged is sent again after the next hello."""
        await self.sockets.drop(abruptly=abruptly)

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask every client to open a new socket."""
        await self.sockets.disconnect(reason)

    async def wait_for(self, condition: Callable[[], T | None], *, within_seconds: float = 20.0) -> T:
        """Return what `condition` returns as soon as it is truthy.

        Raises:
            AssertionError: it was not within the time.
        """
        deadline = time.monotonic() + within_seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"Nothing came within {within_seconds} s; last: {found!r}."
            await asyncio.sleep(POLL_SECONDS)
        return found

    async def wait_until_connected(self, *, within_seconds: float = 20.0) -> None:
        """Wait for a socket."""
        await self.wait_for(lambda: self.is_connected, within_seconds=within_seconds)

    async def _settled(self, delivery: Delivery) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(delivery.settled.wait(), self.world.ack_seconds)

    async def _serve_response_url(self, request: web.Request) -> web.StreamResponse:
        try:
            body: Any = json.loads(await request.text())
        except ValueError:
            body = None
        return await with_faults(
            self.world, "response_url", request, lambda: self._answer_response_url(request.match_info["key"], body)
        )

    async def _answer_response_url(self, key: str, body: Any) -> web.StreamResponse:
        if not isinstance(body, dict):
            self.world.violation("a body posted to a response_url is no JSON object")
            return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
        url = self.world.response_urls.use(key, self.clock.now())
        if isinstance(url, str):
            return web.json_response({"ok": False, "error": url}, status=404)
        error = answer_by_url(url, body)
        if error is not None:
            return web.json_response({"ok": False, "error": error}, status=400)
        return web.Response(text="ok")
