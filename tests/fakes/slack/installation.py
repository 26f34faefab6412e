"""The installation flow: the page where a person allows the app, and the exchange of its code for a token."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from tests.fakes.slack.web_api import SlackError

if TYPE_CHECKING:
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.world import World

CODE_SECONDS = 10 * 60
MAX_CODES = 1_000


@dataclass(slots=True, kw_only=True)
class Code:
    """What a person allowed; it can be exchanged once."""

    person: "Person"
    scopes: tuple[str, ...]
    redirect_uri: str
    made_at: float
    is_used: bool = False


class Installations:
    """Asks `installer`, who says yes unless `is_denied`."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._codes: OrderedDict[str, Code] = OrderedDict()
        self.installer: Person | None = None
        self.is_denied = False

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """Answer `/oauth/v2/authorize`: send the browser back with a code and the state."""
        query = request.query
        redirect_uri = query.get("redirect_uri", "")
        scopes = tuple(scope for scope in query.get("scope", "").split(",") if scope)
        if query.get("client_id") != self._world.client_id or not redirect_uri or not scopes:
            self._world.violation(f"the installation page was opened with a wrong query: {sorted(query)}")
            return web.Response(status=400, text="invalid client_id, redirect_uri or scope")
        if not query.get("state"):
            self._world.violation("the installation page was opened without a state")
        answer = {"state": query.get("state", "")}
        answer |= {"error": "access_denied"} if self.is_denied else {"code": self._new_code(scopes, redirect_uri)}
        joint = "&" if "?" in redirect_uri else "?"
        return web.Response(status=302, headers={"Location": redirect_uri + joint + urlencode(answer)})

    def access(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Exchange a code for a token.

        Raises:
            SlackError: the client or the code is not right.
        """
        if arguments.get("client_id") != self._world.client_id:
            raise SlackError("invalid_client_id")
        if arguments.get("client_secret") != self._world.client_secret:
            raise SlackError("bad_client_secret")
        code = self._codes.get(str(arguments.get("code")))
        if code is None or self._world.clock.now() - code.made_at > CODE_SECONDS:
            raise SlackError("invalid_code")
        if code.is_used:
            raise SlackError("code_already_used")
        if arguments.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
            raise SlackError("bad_redirect_uri")
        code.is_used = True
        return self._installed(code)

    def _new_code(self, scopes: tuple[str, ...], redirect_uri: str) -> str:
        assert self.installer is not None, "Set installer first: the person who allows the app."
        key = self._world.new_id("code-")
        now = self._world.clock.now()
        self._codes[key] = Code(person=self.installer, scopes=scopes, redirect_uri=redirect_uri, made_at=now)
        if len(self._codes) > MAX_CODES:
            self._codes.popitem(last=False)
        return key

    def _installed(self, code: Code) -> Mapping[str, Any]:
        team = code.person.team
        token = team.install(code.scopes)
        return {
            "app_id": self._world.app_id,
            "authed_user": {"id": code.person.id},
            "scope": ",".join(team.scopes),
            "token_type": "bot",
            "access_token": token,
            "bot_user_id": team.bot_user.id,
            "team": {"id": team.id, "name": team.name},
            "enterprise": None,
            "is_enterprise_install": False,
        }
