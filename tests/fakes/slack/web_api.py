"""The door of the Web API: arguments, tokens, scopes and faults of every call, then the method itself.

It does not know what the methods do: `chat_methods`, `view_methods` and `account_methods` hold them.
"""

import asyncio
import base64
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.fakes.slack.faults import Fault

if TYPE_CHECKING:
    from tests.fakes.slack.workspaces import Team
    from tests.fakes.slack.world import World

MAX_CALLS_KEPT = 5_000
_JSON_ARGUMENTS = ("blocks", "attachments", "view", "metadata")
_STATUS_ERRORS = {429: "ratelimited", 503: "service_unavailable"}


class SlackError(Exception):
    """An `"ok": false` answer."""

    def __init__(self, error: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **more: object):
        super().__init__(error)
        self.error = error
        self.status = status
        self.headers = dict(headers or {})
        self.more = more


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a method, with its arguments and without its token."""

    method: str
    arguments: Mapping[str, Any]
    team: "Team | None"
    at: float  # time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How a method is called."""

    run: Callable[["World", Call], Mapping[str, Any]]
    scope: str | None = None
    needs: str = "bot"  # "bot" token, "app" token, or "nothing"


class WebApi:
    """Answers `/api/{method}`."""

    def __init__(self, world: "World", methods: Mapping[str, Method]) -> None:
        self._world = world
        self._methods = methods
        self.calls: deque[Call] = deque(maxlen=MAX_CALLS_KEPT)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        name = request.match_info["method"]
        token, arguments = await read_arguments(request)
        return await with_faults(self._world, name, request, lambda: self._answer(name, token, arguments))

    async def _answer(self, name: str, token: str, arguments: dict[str, Any]) -> web.StreamResponse:
        headers: dict[str, str] = {}
        try:
            method = self._method(name)
            team = self._team_of(name, method, token, arguments)
            self.calls.append(Call(method=name, arguments=arguments, team=team, at=time.monotonic()))
            if team is not None:
                headers = {"x-oauth-scopes": ",".join(team.scopes), "x-accepted-oauth-scopes": method.scope or ""}
            return web.json_response({"ok": True, **method.run(self._world, self.calls[-1])}, headers=headers)
        except SlackError as error:
            body = {"ok": False, "error": error.error, **error.more}
            return web.json_response(body, status=error.status, headers=headers | error.headers)

    def _method(self, name: str) -> Method:
        if name not in self._methods:
            self._world.violation(f"the method {name} was called; it is unknown here")
            raise SlackError("unknown_method", req_method=name)
        return self._methods[name]

    def _team_of(self, name: str, method: Method, token: str, arguments: Mapping[str, Any]) -> "Team | None":
        if method.needs == "nothing":
            return None
        if not token:
            raise SlackError("not_authed")
        is_app_token = token == self._world.app_token
        if method.needs == "app" and is_app_token:
            return None
        team = self._world.team_of_token(token)
        if team is None and not is_app_token:
            raise SlackError(self._why_dead(token))
        if team is None or method.needs == "app":
            raise SlackError("not_allowed_token_type")
        if method.scope is not None and method.scope not in team.scopes:
            self._world.violation(f"{name} was called without the scope {method.scope}")
            raise SlackError("missing_scope", needed=method.scope, provided=",".join(team.scopes))
        return team

    def _why_dead(self, token: str) -> str:
        errors = (team.dead_tokens.get(token) for team in self._world.teams.values())
        return next((error for error in errors if error is not None), "invalid_auth")


async def read_arguments(request: web.Request) -> tuple[str, dict[str, Any]]:
    """Return the token and the arguments, from the query, a form or JSON alike."""
    arguments: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        text = await request.text()
        body = json.loads(text) if text else {}
        arguments |= body if isinstance(body, dict) else {}
    elif request.method == "POST":
        arguments |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    for name in _JSON_ARGUMENTS:
        if isinstance(arguments.get(name), str):
            arguments[name] = _decoded(arguments[name])
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        user, _, password = base64.b64decode(credential).decode().partition(":")
        arguments |= {"client_id": user, "client_secret": password}
        credential = ""
    return credential or str(arguments.pop("token", "")), arguments


async def with_faults(
    world: "World", name: str, request: web.Request, answer: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Return the answer, unless a fault was ordered for `name`."""
    fault = world.faults.take(name)
    if fault is None:
        return await answer()
    if fault.delay_seconds:
        await asyncio.sleep(fault.delay_seconds)
    if fault.drop == "before":
        return _cut(request)
    response = fault_answer(fault) if fault.is_answer else await answer()
    return response if fault.drop is None else _cut(request)


def fault_answer(fault: Fault) -> web.Response:
    """Return what an ordered fault answers."""
    status = fault.status or 200
    error = fault.error or _STATUS_ERRORS.get(status, "internal_error")
    return web.json_response({"ok": False, "error": error}, status=status, headers=dict(fault.headers))


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
