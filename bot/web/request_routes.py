"""The routes of requests: ask, look, take back, delete, and go on from one.

Each handler reads the request, calls the chat service, and shapes the reply. Rules live in bot/service.py.
"""

from aiohttp import web

from bot.ask_options import AskOptions
from bot.services import Services
from bot.watcher import RequestWatcher, progress_mark
from bot.web import bodies, fields
from bot.web.bodies import ID_IN_PATH
from bot.web.events import event_id_of
from bot.web.json_views import request_json
from bot.web.visitors import visitor
from core.records import RequestView

_OPTIONS = ("aspect_ratio", "style", "version", "num_candidates", "is_private")


class RequestRoutes:
    """The handlers over the services and one watcher."""

    def __init__(self, services: Services, watcher: RequestWatcher) -> None:
        self._chat = services.chat
        self._watcher = watcher

    def table(self) -> list[web.RouteDef]:
        return [
            web.post("/api/requests", self.ask),
            web.get(f"/api/requests/{ID_IN_PATH}", self.show),
            web.delete(f"/api/requests/{ID_IN_PATH}", self.delete),
            web.post(f"/api/requests/{ID_IN_PATH}/cancel", self.cancel),
            web.post(f"/api/requests/{ID_IN_PATH}/remix", self.remix),
            web.post(f"/api/requests/{ID_IN_PATH}/reroll", self.reroll),
            web.post("/api/cancel", self.cancel_open),
        ]

    async def ask(self, request: web.Request) -> web.Response:
        who = visitor(request)
        event_id = event_id_of(request, who, "ask")
        sent = await bodies.read_fields(request, required=("text",), optional=_OPTIONS)
        text = fields.as_text(sent["text"], field="text")
        options = AskOptions(
            aspect_ratio=fields.as_optional_text(sent["aspect_ratio"], field="aspect_ratio"),
            style=fields.as_optional_text(sent["style"], field="style"),
            version=fields.as_optional_text(sent["version"], field="version"),
            num_candidates=fields.as_optional_count(sent["num_candidates"], field="num_candidates"),
            is_private=fields.as_optional_flag(sent["is_private"], field="is_private"),
        )
        return taken_in(await self._chat.ask(who, text, event_id=event_id, options=options))

    async def show(self, request: web.Request) -> web.Response:
        """Show one request; with `seen` and `wait`, only once its progress mark is no longer `seen`."""
        who, request_id = visitor(request), request.match_info["id"]
        seen, wait = request.query.get("seen"), bodies.wait_seconds(request.query)
        view = await self._chat.view(who, request_id)
        if wait > 0 and seen == progress_mark(view) and not view.state.is_final:
            await self._watcher.wait_for_change(request_id, seen=seen, timeout_seconds=wait)
            view = await self._chat.view(who, request_id)
        return web.json_response(request_json(view))

    async def delete(self, request: web.Request) -> web.Response:
        await bodies.require_nothing(request)
        await self._chat.delete(visitor(request), request.match_info["id"])
        return web.json_response({"is_deleted": True})

    async def cancel(self, request: web.Request) -> web.Response:
        await bodies.require_nothing(request)
        view = await self._chat.cancel(visitor(request), request.match_info["id"])
        return web.json_response(request_json(view))

    async def cancel_open(self, request: web.Request) -> web.Response:
        await bodies.require_nothing(request)
        return web.json_response({"num_cancelled": await self._chat.cancel_open(visitor(request))})

    async def remix(self, request: web.Request) -> web.Response:
        who = visitor(request)
        event_id = event_id_of(request, who, "remix")
        text = fields.as_text(await bodies.read_field(request, "text"), field="text")
        return taken_in(await self._chat.remix(who, request.match_info["id"], text, event_id=event_id))

    async def reroll(self, request: web.Request) -> web.Response:
        who = visitor(request)
        event_id = event_id_of(request, who, "reroll")
        await bodies.require_nothing(request)
        return taken_in(await self._chat.reroll(who, request.match_info["id"], event_id=event_id))


def taken_in(view: RequestView) -> web.Response:
    """Reply with a request that was just queued, and where to follow it."""
    return web.json_response(request_json(view), status=202, headers={"Location": f"/api/requests/{view.id}"})
