"""The REST interface: finds the route, checks who asks, injects faults, records the call and writes the answer.

What a route does is in routes_*.py. Answers carry exactly the headers that discord.py needs: a Content-Type without a
charset, and the rate limit of the route.
"""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from tests.fakes.discord.errors import Refusal, unauthorized, unknown_route
from tests.fakes.discord.faults import Faults

API_PATH = "/api/v10"
BOUNDED_CALLS = 2_000
RATE_LIMIT = {
    "X-RateLimit-Limit": "50",
    "X-RateLimit-Remaining": "49",
    "X-RateLimit-Reset-After": "1.000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a bot; `path` starts behind the interface's version. `names` are the variable parts of the path."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    files: Mapping[str, bytes]
    is_authorized: bool
    arrived_at_monotonic: float
    names: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class RecordedCall:
    """A call and how it was answered; `status` is None while it is being answered, or when it was cut."""

    method: str
    path: str
    body: Any
    status: int | None = None
    answer: Any = None


Handler = Callable[[Call], Awaitable[tuple[int, Any]]]


class Route:
    """One route; `pattern` writes its variable parts as `{name}`. Its handler returns status and body."""

    def __init__(self, method: str, pattern: str, handler: Handler, *, needs_token: bool = True) -> None:
        self.method = method
        self.handler = handler
        self.needs_token = needs_token
        self._regex = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))

    def names_in(self, method: str, path: str) -> dict[str, str] | None:
        """Return the variable parts of `path`; None when this is not its route."""
        match = self._regex.fullmatch(path) if method == self.method else None
        return None if match is None else match.groupdict()


class RestApi:
    """Answers every call below the interface's path."""

    def __init__(self, token: str, faults: Faults, violate: Callable[[str], None], *, keep_history: bool) -> None:
        self.routes: Sequence[Route] = ()
        self.calls: deque[RecordedCall] = deque(maxlen=None if keep_history else BOUNDED_CALLS)
        self._authorization = f"Bot {token}"
        self._faults = faults
        self._violate = violate

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one call."""
        call = await self._read(request)
        record = RecordedCall(method=call.method, path=call.path, body=call.body)
        self.calls.append(record)
        fault = self._faults.take(call.method, call.path)
        if fault is not None:
            await asyncio.sleep(fault.delay_seconds)
            if fault.drop == "before":
                return _cut(request)
            if fault.status is not None:
                record.status, record.answer = fault.status, fault.body
                return _response(fault.status, fault.body, fault.headers)
        record.status, record.answer = await self._answer(call)
        if fault is not None and fault.drop == "after":
            return _cut(request)
        return _response(record.status, record.answer, RATE_LIMIT)

    async def _answer(self, call: Call) -> tuple[int, Any]:
        try:
            route, names = self._find(call)
            if route.needs_token and not call.is_authorized:
                raise unauthorized()
            call.names.update(names)
            return await route.handler(call)
        except Refusal as refusal:
            if refusal.is_avoidable:
                self._violate(f"{call.method} {_without_secrets(call.path)}: {refusal.code} {refusal.message}")
            return refusal.status, {"code": refusal.code, "message": refusal.message}

    def _find(self, call: Call) -> tuple[Route, dict[str, str]]:
        for route in self.routes:
            names = route.names_in(call.method, call.path)
            if names is not None:
                return route, names
        raise unknown_route()

    async def _read(self, request: web.Request) -> Call:
        arrived_at = time.monotonic()
        body, files = await _read_body(request)
        return Call(
            method=request.method,
            path=request.path.removeprefix(API_PATH),
            query=dict(request.query),
            body=body,
            files=files,
            is_authorized=request.headers.get("Authorization") == self._authorization,
            arrived_at_monotonic=arrived_at,
        )


async def _read_body(request: web.Request) -> tuple[Any, dict[str, bytes]]:
    """Return the JSON of a call and the files that came along."""
    if not request.content_type.startswith("multipart/"):
        content = await request.read()
        return (json.loads(content) if content else {}), {}
    body: Any = {}
    files: dict[str, bytes] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "payload_json":
            body = json.loads(await part.text())
        else:
            files[str(part.filename)] = bytes(await part.read())
    return body, files


def _response(status: int, body: Any, headers: Mapping[str, str]) -> web.Response:
    """Write an answer; the Content-Type must be bare, or discord.py takes the body for text."""
    if status == 204:
        return web.Response(status=status, headers=headers)
    content = json.dumps(body).encode()
    return web.Response(status=status, body=content, headers={**headers, "Content-Type": "application/json"})


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _without_secrets(path: str) -> str:
    """Shorten interaction tokens, so that they fill no failure message."""
    return re.sub(r"[\w-]{60,}", "…", path)
