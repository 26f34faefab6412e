"""The routes of the model that everybody shares: what serves now, and what operators may do about it.

Who is an operator and what is recorded of it is decided in bot/administration.py.
"""

from collections.abc import Mapping

from aiohttp import web

from bot.services import Services
from bot.web import bodies, fields
from bot.web.events import event_id_or_new
from bot.web.json_views import cycle_json, model_status_json, outlook_json
from bot.web.visitors import visitor
from core.records import AuditAction


class ModelRoutes:
    """The handlers over the services."""

    def __init__(self, services: Services) -> None:
        self._administration = services.administration
        self._learning = services.learning

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/model", self.show),
            web.get("/api/retrain/plan", self.plan),
            web.post("/api/retrain", self.retrain),
            web.get("/api/cycle", self.cycle),
            web.post("/api/cycle/cancel", self.cancel),
            web.post("/api/model/promote", self.promote),
            web.post("/api/model/rollback", self.rollback),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Show what serves; operators are told what they could promote as well."""
        who = visitor(request)
        is_operator = self._administration.is_operator(who)
        adapters = await self._administration.adapter_names() if is_operator else []
        status = model_status_json(await self._administration.model_status(who))
        return web.json_response(status | {"is_operator": is_operator, "adapters": adapters})

    async def retrain(self, request: web.Request) -> web.Response:
        await bodies.require_nothing(request)
        return await self._confirmed(request, AuditAction.RETRAIN, {})

    async def plan(self, request: web.Request) -> web.Response:
        """Tell operators what the votes are enough for."""
        return web.json_response(outlook_json(await self._learning.outlook(visitor(request))))

    async def cycle(self, request: web.Request) -> web.Response:
        """Tell operators how the present cycle goes, or how the last one ended."""
        return web.json_response({"cycle": cycle_json(await self._learning.status(visitor(request)))})

    async def cancel(self, request: web.Request) -> web.Response:
        await bodies.require_nothing(request)
        return await self._confirmed(request, AuditAction.CANCEL_RETRAIN, {})

    async def promote(self, request: web.Request) -> web.Response:
        adapter = fields.as_text(await bodies.read_field(request, "adapter"), field="adapter")
        return await self._confirmed(request, AuditAction.PROMOTE, {"adapter": adapter})

    async def rollback(self, request: web.Request) -> web.Response:
        await bodies.require_nothing(request)
        return await self._confirmed(request, AuditAction.ROLLBACK, {})

    async def _confirmed(
        self, request: web.Request, action: AuditAction, details: Mapping[str, object]
    ) -> web.Response:
        who = visitor(request)
        event_id = event_id_or_new(request, who, action.value)
        message = await self._administration.confirm(who, action, details=details, event_id=event_id)
        return web.json_response({"message": message}, status=202)
