"""The web chat as people use it: its page's own HTTP calls, one cookie a person."""

import hashlib
import itertools
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from bot.actions import Action
from bot.watcher import RequestWatcher
from bot.web.application import create_app, start_site
from bot.web.visitors import COOKIE_NAME
from core.records import FeedbackReason, Platform, Thumb, WorkspaceSettings
from tests.parity.protocol import NO_WISH, Answer, Kept, NotOffered, Person, Prompt, Refused, Wish
from tests.parity.stage import Core, Stage, running_core

Json = dict[str, Any]
Sent = tuple[str, str, Mapping[str, object] | None, str]  # method, path, body, idempotency key
FORGED = {
    Action.UP: ("POST", "/api/candidates/{}/press", {"thumb": "up"}),
    Action.DOWN: ("POST", "/api/candidates/{}/press", {"thumb": "down"}),
    Action.EXPLAIN: ("PUT", "/api/candidates/{}/feedback", {"reason": "off_topic"}),
    Action.VARY: ("POST", "/api/candidates/{}/vary", None),
    Action.SAVE: ("PUT", "/api/candidates/{}/saved", {"is_saved": True}),
    Action.REMIX: ("POST", "/api/requests/{}/remix", {"text": "a lake"}),
    Action.REROLL: ("POST", "/api/requests/{}/reroll", None),
    Action.DELETE: ("DELETE", "/api/requests/{}", None),
    Action.CANCEL: ("POST", "/api/requests/{}/cancel", None),
}


class Visitor(Person):
    """Somebody with a browser."""

    def __init__(self, stage: "WebStage", secret: str) -> None:
        self._stage = stage
        self._client = aiohttp.ClientSession(stage.address, cookies={COOKIE_NAME: secret})
        self._keys = itertools.count()
        self._done: list[Sent] = []
        self.external_id = hashlib.sha256(secret.encode()).hexdigest()

    async def close(self) -> None:
        await self._client.close()

    async def begins(self, idea: str, wish: Wish = NO_WISH) -> str:
        return str((await self._writes("POST", "/api/requests", {"text": idea} | _fields(wish)))["id"])

    async def asks(self, idea: str, wish: Wish = NO_WISH) -> Answer:
        return await self.sees_answer(await self.begins(idea, wish))

    async def looks(self, request_id: str) -> Answer | None:
        try:
            return _answer(await self._calls("GET", f"/api/requests/{request_id}"))
        except Refused:
            return None

    async def sees_answer(self, request_id: str) -> Answer:
        request = await self._calls("GET", f"/api/requests/{request_id}")
        while request["state"] in ("queued", "running"):
            path = f"/api/requests/{request_id}?seen={request['seen']}&wait=20"
            request = await self._calls("GET", path)
        return _answer(request)

    async def presses(self, prompt_id: str, thumb: Thumb) -> None:
        await self._writes("POST", f"/api/candidates/{prompt_id}/press", {"thumb": thumb.value})

    async def explains(
        self, prompt_id: str, *, reason: FeedbackReason | None = None, correction: str | None = None
    ) -> None:
        body = {"reason": reason and reason.value, "correction": correction}
        await self._writes("PUT", f"/api/candidates/{prompt_id}/feedback", body)

    async def varies(self, prompt_id: str) -> Answer:
        return await self._goes_on(f"/api/candidates/{prompt_id}/vary")

    async def remixes(self, request_id: str, idea: str) -> Answer:
        return await self._goes_on(f"/api/requests/{request_id}/remix", {"text": idea})

    async def rerolls(self, request_id: str) -> Answer:
        return await self._goes_on(f"/api/requests/{request_id}/reroll")

    async def saves(self, prompt_id: str) -> bool:
        saved = [each["candidate"]["id"] for each in await self._pages("favorites")]
        body = {"is_saved": prompt_id not in saved}
        return bool((await self._writes("PUT", f"/api/candidates/{prompt_id}/saved", body))["is_saved"])

    async def shares(self, prompt_id: str) -> str:
        return await self._finds_nothing("POST", f"/api/candidates/{prompt_id}/share")

    async def cancels(self, request_id: str) -> None:
        await self._writes("POST", f"/api/requests/{request_id}/cancel")

    async def cancels_all(self) -> None:
        await self._writes("POST", "/api/cancel")

    async def deletes(self, request_id: str) -> None:
        await self._writes("DELETE", f"/api/requests/{request_id}")

    async def history(self) -> str:
        return "\n".join(each["idea"] for each in await self._pages("history", "requests"))

    async def favorites(self) -> str:
        return "\n".join(each["candidate"]["text"] for each in await self._pages("favorites"))

    async def queue(self) -> str:
        return "\n".join(each["idea"] for each in (await self._calls("GET", "/api/queue"))["requests"])

    async def privacy(self) -> Kept:
        shown = await self._calls("GET", "/api/privacy")
        return Kept(**{name: shown[name] for name in Kept.__slots__})

    async def exports(self) -> Mapping[str, object]:
        return await self._calls("GET", "/api/privacy/export")

    async def consents(self, *, is_given: bool) -> None:
        await self._writes("PUT", "/api/consent", {"is_given": is_given})

    async def forgets_everything(self) -> None:
        await self._writes("DELETE", "/api/me", {"confirm": True})

    async def model(self) -> str:
        return str((await self._calls("GET", "/api/model"))["model"]["base"])

    async def retrains(self) -> str:
        return str((await self._writes("POST", "/api/retrain"))["message"])

    async def looks_at_the_plan(self) -> str:
        return str(await self._calls("GET", "/api/retrain/plan"))

    async def looks_at_the_training(self) -> str:
        return str(await self._calls("GET", "/api/cycle"))

    async def cancels_training(self) -> str:
        return str((await self._writes("POST", "/api/cycle/cancel"))["message"])

    async def rolls_back(self) -> str:
        return str((await self._writes("POST", "/api/model/rollback"))["message"])

    async def promotes(self, adapter: str) -> str:
        return str((await self._writes("POST", "/api/model/promote", {"adapter": adapter}))["message"])

    async def changes_settings(self, settings: WorkspaceSettings) -> None:
        await self._finds_nothing("PUT", "/api/settings")

    async def repeats(self, *, acts_ago: int = 0) -> None:
        await self._sends(*self._done[-1 - acts_ago])

    async def forges(self, action: Action, target_id: str) -> None:
        if action not in FORGED:
            await self._finds_nothing("POST", f"/api/candidates/{target_id}/{action}")
            return
        method, path, body = FORGED[action]
        await self._writes(method, path.format(target_id), body)

    async def _goes_on(self, path: str, body: Mapping[str, object] | None = None) -> Answer:
        return await self.sees_answer((await self._writes("POST", path, body))["id"])

    async def _pages(self, name: str, field: str | None = None) -> list[Json]:
        found: list[Json] = []
        before = ""
        while True:
            page = await self._calls("GET", f"/api/{name}?limit=5{before}")
            found += page[field or name]
            if page["next_before"] is None:
                return found
            before = f"&before={page['next_before']}"

    async def _writes(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Json:
        self._done.append((method, path, body, f"key-{next(self._keys)}"))
        return await self._sends(*self._done[-1])

    async def _sends(self, method: str, path: str, body: Mapping[str, object] | None, key: str) -> Json:
        return await self._calls(method, path, body, {"Idempotency-Key": key})

    async def _calls(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        async with self._client.request(method, path, json=body, headers=headers) as reply:
            said: Json = await reply.json()
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise Refused(said["error"]["message"])
        return said

    async def _finds_nothing(self, method: str, path: str) -> str:
        """Look for something that the web chat does not have."""
        async with self._client.request(method, path, json={}) as reply:
            said: Json = await reply.json()
        assert reply.status == HTTPStatus.NOT_FOUND, said
        raise NotOffered(said["error"]["message"])


class WebStage(Stage):
    """The web chat, with one operator among its visitors."""

    platform = Platform.WEB
    has_workspaces = False

    def __init__(self, core: Core, port: int, operator_secret: str) -> None:
        super().__init__(core)
        self.address = f"http://127.0.0.1:{port}"
        self._operator_secret = operator_secret
        self._visitors: list[Visitor] = []

    def newcomer(self, *, is_admin: bool = False) -> Person:
        return self._visitor(secrets.token_urlsafe(16))

    def operator(self) -> Person:
        return self._visitor(self._operator_secret)

    async def open_scene(self) -> None:
        """Visitors meet nobody, so there is no place to make."""

    async def close_scene(self) -> None:
        self.worker.resume()
        for visitor in self._visitors:
            await visitor.close()
        self._visitors.clear()

    def _visitor(self, secret: str) -> Visitor:
        visitor = Visitor(self, secret)
        self._visitors.append(visitor)
        return visitor


@asynccontextmanager
async def web_stage(empty: Path, folder: Path) -> AsyncIterator[Stage]:
    """Serve the web chat until left."""
    secret = secrets.token_urlsafe(16)
    operator = hashlib.sha256(secret.encode()).hexdigest()
    async with running_core(empty, folder, operator_ids=f"web:{operator}") as core:
        app = create_app(core.services, RequestWatcher(core.database))
        runner, port = await start_site(app, core.settings)
        try:
            yield WebStage(core, port, secret)
        finally:
            await runner.cleanup()


def _fields(wish: Wish) -> dict[str, object]:
    names = {"aspect_ratio": wish.aspect_ratio, "style": wish.style, "version": wish.version}
    return names | {"num_candidates": wish.count, "is_private": wish.is_private}


def _answer(request: Json) -> Answer:
    position = request["position"]
    text = [request["idea"], request["state"], *([f"Place {position} in the line."] if position else [])]
    return Answer(
        request_id=request["id"],
        text="\n".join([*text, *(each["text"] for each in request["candidates"])]),
        prompts=tuple(
            Prompt(id=each["id"], text=each["text"], votes_up=each["votes_up"], votes_down=each["votes_down"])
            for each in request["candidates"]
        ),
        is_waiting=request["state"] in ("queued", "running"),
    )
