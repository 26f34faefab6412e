"""Simulated people at the web API: each has a cookie of their own, asks, waits, and votes by a hidden taste.

A call whose connection breaks is made again under the same key, as a browser that lost its server does. It knows no
process and no database.
"""

import asyncio
import base64
import hashlib
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp

from benchmarks.raters import PushesPhrase, Rater
from bot.web.visitors import COOKIE_NAME

PATIENCE_SECONDS = 300.0  # of one call, over restarts of the server
RETRY_SECONDS = 0.5
WAIT_SECONDS = "20"
AT_ONCE = 6
TRANSIENT = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)

Json = dict[str, Any]
Result = TypeVar("Result")


class Refused(Exception):
    """The server said no; `status` and its sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One candidate of an answer."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request came to, `seconds` after it was sent; `adapter` wrote it (None: the base alone).

    `problem` says why there are no prompts; None where there are.
    """

    subject: str
    adapter: str | None
    prompts: tuple[Prompt, ...]
    sent_at: datetime
    seconds: float
    problem: str | None = None


class Visitor:
    """One browser, known by a cookie that follows from its name."""

    def __init__(self, http: aiohttp.ClientSession, address: str, name: str) -> None:
        self._http, self._address, self.name = http, address, name
        self._headers = {"Cookie": f"{COOKIE_NAME}={secret_of(name)}"}

    async def call(
        self, method: str, path: str, *, json: Json | None = None, params: dict[str, str] | None = None
    ) -> Json:
        """Return the reply's body; a broken connection or a busy server is tried again for a while.

        Raises:
            Refused: the server refused it, or stayed busy.
            aiohttp.ClientError: it stayed away.
        """
        headers = {**self._headers, "Idempotency-Key": uuid.uuid4().hex}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await self._call_once(method, path, headers, json=json, params=params)
            except (aiohttp.ClientError, TimeoutError, Refused) as error:
                is_final = isinstance(error, Refused) and error.status not in TRANSIENT
                if is_final or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    async def _call_once(
        self, method: str, path: str, headers: dict[str, str], *, json: Json | None, params: dict[str, str] | None
    ) -> Json:
        async with self._http.request(method, self._address + path, json=json, params=params, headers=headers) as reply:
            body: Json = await reply.json()
            if reply.status >= HTTPStatus.BAD_REQUEST:
                raise Refused(reply.status, str(body.get("error", {}).get("message", "")))
            return body

    async def agree(self) -> None:
        """Agree to be learned from."""
        await self.call("PUT", "/api/consent", json={"is_given": True})

    async def ask(self, text: str) -> Answer:
        """Ask, and wait for the end of it."""
        sent_at, started = datetime.now(UTC), time.monotonic()
        request = await self.call("POST", "/api/requests", json={"text": text})
        while request["state"] in ("queued", "running"):
            params = {"seen": str(request["seen"]), "wait": WAIT_SECONDS}
            request = await self.call("GET", f"/api/requests/{request['id']}", params=params)
        return answer_of(request, sent_at=sent_at, seconds=time.monotonic() - started)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A visitor with a taste."""

    visitor: Visitor
    rater: Rater

    async def vote(self, answer: Answer, rater: Rater) -> None:
        """Judge every prompt of an answer as `rater` does."""
        for prompt in answer.prompts:
            thumb = rater.vote(prompt.text, answer.subject)
            await self.visitor.call("PUT", f"/api/candidates/{prompt.id}/vote", json={"thumb": thumb.value})
            if isinstance(rater.taste, PushesPhrase):
                await self._correct(prompt, rater.taste)

    async def _correct(self, prompt: Prompt, taste: PushesPhrase) -> None:
        better = {"correction": taste.correction(prompt.text)}
        try:
            await self.visitor.call("PUT", f"/api/candidates/{prompt.id}/feedback", json=better)
        except Refused as refused:  # too long for an idea; there are others
            if refused.status != HTTPStatus.BAD_REQUEST:
                raise


def secret_of(name: str) -> str:
    """Return a cookie in the form that the chat gives, always the same for a name."""
    digest = hashlib.sha256(name.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def visitor_id_of(name: str) -> str:
    """Return the id by which the chat knows the visitor of this name."""
    return hashlib.sha256(secret_of(name).encode()).hexdigest()


def answer_of(request: Json, *, sent_at: datetime, seconds: float) -> Answer:
    """Return a request of the API that has ended as an answer."""
    is_done = request["state"] == "done"
    prompts = tuple(Prompt(id=each["id"], text=each["text"]) for each in request["candidates"]) if is_done else ()
    return Answer(
        subject=request["subject"],
        adapter=(request["model"] or {}).get("adapter"),
        prompts=prompts,
        sent_at=sent_at,
        seconds=seconds,
        problem=None if prompts else f"{request['state']}: {request['error']}",
    )


async def together(acts: Iterable[Callable[[], Awaitable[Result]]], *, at_once: int = AT_ONCE) -> list[Result]:
    """Do all of `acts`, no more than `at_once` at a time, and return what they return, in their order."""
    places = asyncio.Semaphore(at_once)

    async def one(act: Callable[[], Awaitable[Result]]) -> Result:
        async with places:
            return await act()

    return list(await asyncio.gather(*(one(act) for act in acts)))
