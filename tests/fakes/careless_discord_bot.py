"""A bot that checks nothing before it sends it, and the smallest messages to send; no discord.py in between."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.server import FakeDiscord

EPHEMERAL, V2 = 1 << 6, 1 << 15
QUIET = {"allowed_mentions": {"parse": []}}


class Api:
    """Calls REST with whatever it is given."""

    def __init__(self, fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
        self.fake = fake
        self._http = http

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bot {token or self.fake.token}", "Content-Type": "application/json"}
        url, data = self.fake.api_base + path, json.dumps(body)
        async with self._http.request(method, url, data=data, headers=headers) as response:
            if response.status == 204:
                return 204, None
            assert response.headers["Content-Type"] == "application/json"
            return response.status, await response.json()

    async def acknowledge(self, interaction: Interaction, body: Any) -> tuple[int, Any]:
        return await self.call("POST", f"/interactions/{interaction.id}/{interaction.token}/callback", body)

    async def follow_up(self, interaction: Interaction, body: Any) -> tuple[int, Any]:
        return await self.call("POST", f"/webhooks/{self.fake.application_id}/{interaction.token}", body)

    async def sync(self, *commands: Any) -> tuple[int, Any]:
        return await self.call("PUT", f"/applications/{self.fake.application_id}/commands", list(commands))


@asynccontextmanager
async def careless_bot() -> AsyncIterator[Api]:
    """Start a fake Discord and what calls it."""
    async with FakeDiscord() as fake, aiohttp.ClientSession() as http:
        yield Api(fake, http)


def text(content: str = "hello") -> dict[str, Any]:
    return {"type": 10, "content": content}


def button(custom_id: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": 2, "style": 2, "label": "press", "custom_id": custom_id, **more}


def row(*components: Any) -> dict[str, Any]:
    return {"type": 1, "components": list(components)}


def v2(*components: Any, **more: Any) -> dict[str, Any]:
    return {"flags": V2, "components": list(components), **QUIET, **more}


def expect_violations(api: Api, *parts: str, count: int = 1) -> None:
    """Check that these violations were found and nothing else, and let the fake end well."""
    assert len(api.fake.violations) == count, api.fake.violations
    api.fake.expected_violations = parts
    assert api.fake.unexpected_violations() == []
