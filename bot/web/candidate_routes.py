"""The routes of candidates: thumbs, the reason and better prompt after a 👎, the favourites, and more of the same.

Whoever was shown a candidate may do all of it; who that is, is decided below the services.
"""

from aiohttp import web

from bot.services import Services
from bot.web import bodies, fields
from bot.web.bodies import ID_IN_PATH
from bot.web.events import event_id_of, event_id_or_new
from bot.web.json_views import candidate_json, feedback_json
from bot.web.request_routes import taken_in
from bot.web.visitors import visitor
from core.records import Feedback, FeedbackReason, Thumb


class CandidateRoutes:
    """The handlers over the services."""

    def __init__(self, services: Services) -> None:
        self._chat = services.chat
        self._collection = services.collection

    def table(self) -> list[web.RouteDef]:
        return [
            web.put(f"/api/candidates/{ID_IN_PATH}/vote", self.vote),
            web.post(f"/api/candidates/{ID_IN_PATH}/press", self.press),
            web.put(f"/api/candidates/{ID_IN_PATH}/feedback", self.give_feedback),
            web.put(f"/api/candidates/{ID_IN_PATH}/saved", self.set_saved),
            web.post(f"/api/candidates/{ID_IN_PATH}/vary", self.vary),
        ]

    async def vote(self, request: web.Request) -> web.Response:
        """Set the thumb that the client wants to stand, whatever stood before."""
        who = visitor(request)
        event_id = event_id_or_new(request, who, "vote")
        thumb = fields.as_optional_choice(await bodies.read_field(request, "thumb"), Thumb, field="thumb")
        view = await self._chat.vote(who, request.match_info["id"], thumb, event_id=event_id)
        return web.json_response(candidate_json(view))

    async def press(self, request: web.Request) -> web.Response:
        """Press a thumb as a button: again takes the vote back, the other one changes it."""
        who, candidate_id = visitor(request), request.match_info["id"]
        event_id = event_id_or_new(request, who, "press")
        thumb = fields.as_choice(await bodies.read_field(request, "thumb"), Thumb, field="thumb")
        view = await self._chat.press(who, candidate_id, thumb, event_id=event_id)
        pressed = next(candidate for candidate in view.candidates if candidate.id == candidate_id)
        return web.json_response(candidate_json(pressed))

    async def give_feedback(self, request: web.Request) -> web.Response:
        who, candidate_id = visitor(request), request.match_info["id"]
        sent = await bodies.read_fields(request, optional=("reason", "correction"))
        given = Feedback(
            reason=fields.as_optional_choice(sent["reason"], FeedbackReason, field="reason"),
            correction=fields.as_optional_text(sent["correction"], field="correction"),
        )
        await self._chat.give_feedback(who, candidate_id, given)
        return web.json_response(feedback_json(await self._chat.feedback_of(who, candidate_id)))

    async def set_saved(self, request: web.Request) -> web.Response:
        is_saved = fields.as_flag(await bodies.read_field(request, "is_saved"), field="is_saved")
        await self._collection.set_saved(visitor(request), request.match_info["id"], is_saved=is_saved)
        return web.json_response({"is_saved": is_saved})

    async def vary(self, request: web.Request) -> web.Response:
        who = visitor(request)
        event_id = event_id_of(request, who, "vary")
        await bodies.require_nothing(request)
        return taken_in(await self._chat.vary(who, request.match_info["id"], event_id=event_id))
