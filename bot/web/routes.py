"""The web chat's routes put together, with the page, its files and the three calls about the whole chat.

Each handler reads the request, calls the services, and shapes the reply: rules live in bot/, checks of form in
bodies.py and fields.py, errors in error_replies.py.
"""

from pathlib import Path

from aiohttp import hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.services import Services
from bot.watcher import RequestWatcher
from bot.web import prometheus_text
from bot.web.candidate_routes import CandidateRoutes
from bot.web.json_views import status_json
from bot.web.model_routes import ModelRoutes
from bot.web.person_routes import PersonRoutes
from bot.web.request_routes import RequestRoutes
from bot.web.security import HEALTH_PATH
from bot.web.visitors import visitor

STATIC_FOLDER = Path(__file__).parent / "static"


class ChatRoutes:
    """All handlers over the services and one watcher."""

    def __init__(self, services: Services, watcher: RequestWatcher) -> None:
        self._services = services
        self._watcher = watcher

    def table(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/", self.show_page),
            web.static("/static", STATIC_FOLDER),
            web.get(HEALTH_PATH, self.show_health),
            web.get("/api/status", self.show_status),
            web.get("/metrics", self.show_metrics),
            *RequestRoutes(self._services, self._watcher).table(),
            *CandidateRoutes(self._services).table(),
            *PersonRoutes(self._services).table(),
            *ModelRoutes(self._services).table(),
        ]

    async def show_page(self, request: web.Request) -> web.StreamResponse:
        visitor(request)
        return web.FileResponse(STATIC_FOLDER / "index.html")

    async def show_health(self, _: web.Request) -> web.Response:
        await self._services.chat.status()
        return web.json_response({"status": "ok"})

    async def show_status(self, _: web.Request) -> web.Response:
        return web.json_response(status_json(await self._services.chat.status()))

    async def show_metrics(self, _: web.Request) -> web.Response:
        text = prometheus_text.render(await self._services.chat.status())
        headers = {hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST, hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(body=text, headers=headers)
