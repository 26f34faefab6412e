"""HTTP mode: signed requests to the app's URL, with the retries of the Events API.

It does not know what is in a payload.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
from slack_sdk.signature import SignatureVerifier

from tests.fakes.slack.deliveries import Delivery, Kind

if TYPE_CHECKING:
    from tests.fakes.slack.world import World

STALE_SECONDS = 6 * 60  # one minute more than the window that is accepted
MAX_REQUESTS_AT_ONCE = 200


class Signature(StrEnum):
    """How requests are signed."""

    VALID = "valid"
    WRONG = "wrong"  # with another secret
    STALE = "stale"  # correctly, but too long ago
    MISSING = "missing"  # without the headers


class SignedRequests:
    """Sends deliveries to one URL."""

    def __init__(self, world: "World", retry_delays_seconds: list[float]) -> None:
        self._world = world
        self._retry_delays_seconds = retry_delays_seconds
        self._session: aiohttp.ClientSession | None = None
        self.url = ""
        self.signature = Signature.VALID

    async def send(self, delivery: Delivery, *, retry_num: int = 0, reason: str = "") -> None:
        """Send one request and take its answer; an event that fails is sent again later."""
        delivery.num_attempts += 1
        sent_at = time.monotonic()
        headers = {"x-slack-retry-num": str(retry_num), "x-slack-retry-reason": reason} if retry_num else {}
        body, content_type = encoded(delivery)
        try:
            status, answer_headers, answer = await self._post(body, headers | {"Content-Type": content_type})
        except TimeoutError:
            self._world.violation(f"a request of the type {delivery.kind} was not acknowledged in time")
            self._failed(delivery, "timeout", retry_num)
            return
        except aiohttp.ClientError:
            self._failed(delivery, "connection_failed", retry_num)
            return
        delivery.status = status
        if status == 200:
            payload = decoded(answer, answer_headers.get("Content-Type", ""))
            delivery.acknowledge(payload, after_seconds=time.monotonic() - sent_at)
        elif answer_headers.get("X-Slack-No-Retry") == "1":
            delivery.fail("http_error")
        else:
            self._failed(delivery, "http_error", retry_num)

    async def challenge(self) -> str:
        """Ask the URL to prove that it is the app's, as Slack does when it is entered; return the answer."""
        body = json.dumps(
            {"token": "legacy-verification-token", "challenge": "a challenge", "type": "url_verification"}
        )
        status, headers, answer = await self._post(body, {"Content-Type": "application/json"})
        payload = decoded(answer, headers.get("Content-Type", ""))
        text = payload.get("challenge") if isinstance(payload, Mapping) else payload
        return str(text) if status == 200 else f"HTTP {status}"

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, body: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], str]:
        assert self.url, "Set request_url first: HTTP mode sends to it."
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=MAX_REQUESTS_AT_ONCE)
            seconds = self._world.ack_seconds
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        signed = dict(headers) | self._signed(body)
        async with self._session.post(self.url, data=body.encode(), headers=signed) as answer:
            return answer.status, answer.headers, await answer.text()

    def _signed(self, body: str) -> dict[str, str]:
        if self.signature is Signature.MISSING:
            return {}
        stale_seconds = STALE_SECONDS if self.signature is Signature.STALE else 0
        timestamp = str(int(time.time()) - stale_seconds)
        secret = "another secret" if self.signature is Signature.WRONG else self._world.signing_secret
        signature = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body)
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": str(signature)}

    def _failed(self, delivery: Delivery, reason: str, retry_num: int) -> None:
        delivery.fail(reason)
        if delivery.kind is Kind.EVENT and retry_num < len(self._retry_delays_seconds):
            self._world.spawn(self._retry(delivery, reason, retry_num + 1))

    async def _retry(self, delivery: Delivery, reason: str, retry_num: int) -> None:
        await asyncio.sleep(self._retry_delays_seconds[retry_num - 1])
        await self.send(delivery, retry_num=retry_num, reason=reason)


def encoded(delivery: Delivery) -> tuple[str, str]:
    """Return body and content type: a form for commands, a form with JSON in it for interactions, JSON for events."""
    match delivery.kind:
        case Kind.COMMAND:
            return urlencode(delivery.payload), "application/x-www-form-urlencoded"
        case Kind.INTERACTIVE:
            return urlencode({"payload": json.dumps(delivery.payload)}), "application/x-www-form-urlencoded"
        case Kind.EVENT:
            return json.dumps(delivery.payload), "application/json"


def decoded(answer: str, content_type: str) -> Any:
    """Return an answer's payload: an object, a text, or None when it is empty."""
    if not answer:
        return None
    return json.loads(answer) if content_type.startswith("application/json") else answer
