"""The routes of one person's own: history, favourites, queue, consent, and what is kept about them.

What each shows, exports or deletes is decided below the services.
"""

import json

from aiohttp import hdrs, web

from bot.services import Services
from bot.web import bodies, fields
from bot.web.json_views import favorite_json, privacy_json, request_json
from bot.web.visitors import visitor
from core.errors import InvalidBody

EXPORT_NAME = "mjprompt-export.json"


class PersonRoutes:
    """The handlers over the services."""

    def __init__(self, services: Services) -> None:
        self._chat = services.chat
        self._collection = services.collection
        self._privacy = services.privacy

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/history", self.show_history),
            web.get("/api/favorites", self.show_favorites),
            web.get("/api/queue", self.show_queue),
            web.get("/api/consent", self.show_consent),
            web.put("/api/consent", self.set_consent),
            web.get("/api/privacy", self.show_privacy),
            web.get("/api/privacy/export", self.export),
            web.delete("/api/me", self.forget),
        ]

    async def show_history(self, request: web.Request) -> web.Response:
        limit, before = bodies.page_size(request.query), bodies.page_start(request.query)
        views = await self._chat.history(visitor(request), before=before, limit=limit)
        next_before = views[-1].id if len(views) == limit else None
        return web.json_response({"requests": [request_json(view) for view in views], "next_before": next_before})

    async def show_favorites(self, request: web.Request) -> web.Response:
        limit, before = bodies.page_size(request.query), bodies.page_start(request.query)
        saved = await self._collection.favorites(visitor(request), before=before, limit=limit)
        next_before = saved[-1].candidate.id if len(saved) == limit else None
        return web.json_response({"favorites": [favorite_json(one) for one in saved], "next_before": next_before})

    async def show_queue(self, request: web.Request) -> web.Response:
        queue = await self._chat.queue(visitor(request))
        own = [request_json(view) for view in queue.own]
        return web.json_response({"requests": own, "queue_length": queue.queue_length})

    async def show_consent(self, request: web.Request) -> web.Response:
        return web.json_response({"is_given": await self._chat.has_consented(visitor(request))})

    async def set_consent(self, request: web.Request) -> web.Response:
        is_given = fields.as_flag(await bodies.read_field(request, "is_given"), field="is_given")
        await self._chat.set_consent(visitor(request), is_given=is_given)
        return web.json_response({"is_given": is_given})

    async def show_privacy(self, request: web.Request) -> web.Response:
        who = visitor(request)
        overview = await self._privacy.overview(who)
        return web.json_response(privacy_json(overview) | {"visitor_id": who.external_id})

    async def export(self, request: web.Request) -> web.Response:
        kept = await self._privacy.export(visitor(request))
        headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{EXPORT_NAME}"'}
        text = json.dumps(kept, ensure_ascii=False, indent=2)
        return web.json_response(text=text, headers=headers)

    async def forget(self, request: web.Request) -> web.Response:
        """Delete all that is kept about the visitor, once they said that they mean it."""
        if not fields.as_flag(await bodies.read_field(request, "confirm"), field="confirm"):
            raise InvalidBody('"confirm" is false; send true to have everything of yours deleted for good.')
        return web.json_response(privacy_json(await self._privacy.forget(visitor(request))))
