"""A stand-in for the web chat and its cycles of learning, with answers that get better when a cycle is promoted.

It keeps who agreed and voted, and a cycle goes on by one state at each look.
"""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.learning_people import secret_of, visitor_id_of
from bot.web.visitors import COOKIE_NAME
from core.cycles import CycleState, CycleView

ADAPTER = "01ADAPTER"
PLAIN, LEARNED = "charcoal on very old and heavy paper with a frame of dark oak", "ink"
STATES = (CycleState.PLANNED, CycleState.TRAINING, CycleState.CANARY, CycleState.PROMOTED)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class StandInChat:
    """Answers at once with four prompts; `votes` are by visitor's name and prompt, `num_busy` calls are turned away."""

    def __init__(self, *names: str, num_busy: int = 0) -> None:
        self.names = {secret_of(name): name for name in names}
        self.num_busy = num_busy
        self.agreed: set[str] = set()
        self.votes: dict[tuple[str, str], str] = {}
        self.asked: list[tuple[str, str]] = []
        self.keys: list[str] = []
        self.adapter: str | None = None
        self.looks = itertools.count()
        self.state: CycleState | None = None
        self.num_canary_votes = 0

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._turn_away])
        app.add_routes(
            [
                web.put("/api/consent", self._agree),
                web.post("/api/requests", self._ask),
                web.put("/api/candidates/{id}/vote", self._vote),
                web.post("/api/retrain", self._retrain),
                web.get("/api/cycle", self._cycle),
                web.get("/api/status", self._status),
            ]
        )
        return app

    async def latest_cycle(self) -> CycleView:
        assert self.state is not None
        return CycleView(
            id="01CYCLE",
            state=self.state,
            base_model="pocket",
            is_automatic=False,
            asked_by=None,
            run_id="01RUN",
            champion=None,
            adapter=ADAPTER,
            config={},
            feedback={"report": {"suspects": [], "num_votes": len(self.votes)}, "objective": "kto"},
            gate={"tests": [], "is_passed": True},
            canary=None,
            history=tuple((state, BEGAN + timedelta(seconds=3 * n)) for n, state in enumerate(STATES)),
            reason=None,
            is_cancel_wanted=False,
            created_at=BEGAN,
            updated_at=BEGAN,
            finished_at=BEGAN,
        )

    def user_ids(self) -> dict[str, str]:
        return {visitor_id_of(name): f"user of {name}" for name in self.names.values()}

    @web.middleware
    async def _turn_away(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.keys.append(request.headers["Idempotency-Key"])
        if self.num_busy:
            self.num_busy -= 1
            return web.json_response({"error": {"message": "busy"}}, status=HTTPStatus.SERVICE_UNAVAILABLE)
        response: web.StreamResponse = await handler(request)
        return response

    def _name(self, request: web.Request) -> str:
        return self.names[request.cookies[COOKIE_NAME]]

    async def _agree(self, request: web.Request) -> web.Response:
        self.agreed.add(self._name(request))
        return web.json_response(await request.json())

    async def _ask(self, request: web.Request) -> web.Response:
        subject = (await request.json())["text"]
        self.asked.append((self._name(request), subject))
        added = LEARNED if self.adapter else PLAIN
        number = len(self.asked)
        prompts = [{"id": f"{number}-{rank}", "text": f"{subject}, {added} {rank}"} for rank in range(1, 5)]
        model = {"adapter": self.adapter}
        done = {"id": f"r{number}", "state": "done", "subject": subject, "model": model, "candidates": prompts}
        return web.json_response({**done, "error": None, "seen": "done"}, status=HTTPStatus.ACCEPTED)

    async def _vote(self, request: web.Request) -> web.Response:
        self.votes[self._name(request), request.match_info["id"]] = (await request.json())["thumb"]
        self.num_canary_votes += self.state is CycleState.CANARY
        return web.json_response({})

    async def _retrain(self, _: web.Request) -> web.Response:
        self.state = CycleState.PLANNED
        return web.json_response({"message": "planned"}, status=HTTPStatus.ACCEPTED)

    async def _cycle(self, _: web.Request) -> web.Response:
        assert self.state is not None
        if self.state is not CycleState.CANARY or self.num_canary_votes:
            self.state = STATES[min(STATES.index(self.state) + 1, len(STATES) - 1)]
        self.adapter = ADAPTER if self.state is CycleState.PROMOTED else self.adapter
        cycle = {"id": "01CYCLE", "state": self.state.value, "is_open": self.state.is_open, "adapter": ADAPTER}
        return web.json_response({"cycle": cycle})

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response({"state": "ready", "model": {"adapter": self.adapter}})


@asynccontextmanager
async def stand_in(chat: StandInChat) -> AsyncIterator[str]:
    """Serve the stand-in, and give its address."""
    async with TestServer(chat.application()) as server:
        yield str(server.make_url("/")).rstrip("/")
