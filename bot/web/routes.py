"""The web chat's routes: each handler reads the request, calls the chat service, and shapes the reply.

Rules live in bot/service.py, checks of form in bodies.py, errors in error_replies.py.
"""

from pathlib import Path

from aiohttp import web

from bot.service import ChatService
from bot.watcher import RequestWatcher, progress_mark
from bot.web import bodies
from bot.web.json_views import candidate_json, request_json, status_json
from bot.web.security import HEALTH_PATH
from bot.web.visitors import visitor
from core.records import Identity
from storage.identifiers import new_id

STATIC_FOLDER = Path(__file__).parent / "static"
_ID = "{id:[0-9A-HJKMNP-TV-Z]{26}}"  # a ULID


class ChatRoutes:
    """The handlers over one service and one watcher."""

    def __init__(self, service: ChatService, watcher: RequestWatcher) -> None:
        self._service = service
        self._watcher = watcher

    def table(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/", self.show_page),
            web.static("/static", STATIC_FOLDER),
            web.get(HEALTH_PATH, self.show_health),
            web.get("/api/status", self.show_status),
            web.post("/api/requests", self.ask),
            web.get(f"/api/requests/{_ID}", self.show_request),
            web.delete(f"/api/requests/{_ID}", self.cancel_request),
            web.put(f"/api/candidates/{_ID}/vote", self.vote),
            web.get("/api/history", self.show_history),
            web.get("/api/consent", self.show_consent),
            web.put("/api/consent", self.set_consent),
        ]

    async def show_page(self, request: web.Request) -> web.StreamResponse:
        visitor(request)
        return web.FileResponse(STATIC_FOLDER / "index.html")

    async def show_health(self, _: web.Request) -> web.Response:
        await self._service.status()
        return web.json_response({"status": "ok"})

    async def show_status(self, _: web.Request) -> web.Response:
        return web.json_response(status_json(await self._service.status()))

    async def ask(self, request: web.Request) -> web.Response:
        who = visitor(request)
        key = bodies.idempotency_key(request)
        text = bodies.as_text(await bodies.read_json_object(request, field="text"), field="text")
        view = await self._service.ask(who, text, event_id=_event_id("ask", who, key))
        headers = {"Location": f"/api/requests/{view.id}"}
        return web.json_response(request_json(view), status=202, headers=headers)

    async def show_request(self, request: web.Request) -> web.Response:
        """Show one request; with `seen` and `wait`, only once its progress mark is no longer `seen`."""
        who, request_id = visitor(request), request.match_info["id"]
        seen, wait = request.query.get("seen"), bodies.wait_seconds(request.query)
        view = await self._service.view(who, request_id)
        if wait > 0 and seen == progress_mark(view) and not view.state.is_final:
            await self._watcher.wait_for_change(request_id, seen=seen, timeout_seconds=wait)
            view = await self._service.view(who, request_id)
        return web.json_response(request_json(view))

    async def cancel_request(self, request: web.Request) -> web.Response:
        view = await self._service.cancel(visitor(request), request.match_info["id"])
        return web.json_response(request_json(view))

    async def vote(self, request: web.Request) -> web.Response:
        who = visitor(request)
        key = bodies.idempotency_key(request)
        thumb = bodies.as_thumb(await bodies.read_json_object(request, field="thumb"))
        event_id = _event_id("vote", who, key) or new_id()
        view = await self._service.vote(who, request.match_info["id"], thumb, event_id=event_id)
        return web.json_response(candidate_json(view))

    async def show_history(self, request: web.Request) -> web.Response:
        limit, before = bodies.page_size(request.query), bodies.page_start(request.query)
        views = await self._service.history(visitor(request), before=before, limit=limit)
        next_before = views[-1].id if len(views) == limit else None
        return web.json_response({"requests": [request_json(view) for view in views], "next_before": next_before})

    async def show_consent(self, request: web.Request) -> web.Response:
        is_given = await self._service.has_consented(visitor(request))
        return web.json_response({"is_given": is_given})

    async def set_consent(self, request: web.Request) -> web.Response:
        who = visitor(request)
        is_given = bodies.as_flag(await bodies.read_json_object(request, field="is_given"), field="is_given")
        await self._service.set_consent(who, is_given=is_given)
        return web.json_response({"is_given": is_given})


def _event_id(kind: str, who: Identity, key: str | None) -> str | None:
    """Return the event's id from a client's key; keys of different visitors never meet."""
    return None if key is None else f"{kind}:{who.external_id}:{key}"
