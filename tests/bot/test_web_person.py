"""The line, what is kept about a visitor, and the model that everybody shares, over the HTTP API."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.web.visitors import COOKIE_NAME
from storage import audit
from tests.bot.conftest import MakeSettings, Site, answer, ask, error_of, running_site

OPERATOR_CALLS: list[tuple[str, str, dict[str, Any] | None, str]] = [
    ("GET", "/api/retrain/plan", None, "retrain"),
    ("POST", "/api/retrain", None, "retrain"),
    ("GET", "/api/cycle", None, "retrain"),
    ("POST", "/api/cycle/cancel", None, "cancel_retrain"),
    ("POST", "/api/model/promote", {"adapter": "01KB3"}, "promote"),
    ("POST", "/api/model/rollback", None, "rollback"),
]


async def test_queue_shows_what_is_open_and_mine_and_how_long_the_line_is(site: Site) -> None:
    async with site.browser() as mine, site.browser() as other:
        await answer(mine, await ask(mine, "answered already"))
        site.worker.pause()
        await ask(other, "not mine")
        open_ids = [(await ask(mine, f"idea {number}"))["id"] for number in range(2)]
        async with mine.get("/api/queue") as reply:
            queue = await reply.json()
    assert [(request["id"], request["position"]) for request in queue["requests"]] == [
        (open_ids[0], 2),
        (open_ids[1], 3),
    ]
    assert queue["queue_length"] == 3


async def test_privacy_counts_exports_and_deletes_the_same_things(site: Site) -> None:
    async with site.browser() as mine, site.browser() as other:
        others = await answer(other, await ask(other, "not mine"))
        done = await answer(mine, await ask(mine, "a boy"))
        candidate = f"/api/candidates/{done['candidates'][0]['id']}"
        for address, body in (
            (f"{candidate}/vote", {"thumb": "down"}),
            (f"{candidate}/feedback", {"reason": "off_topic"}),
            (f"{candidate}/saved", {"is_saved": True}),
            ("/api/consent", {"is_given": True}),
        ):
            async with mine.put(address, json=body) as reply:
                assert reply.status == 200
        kept = {
            "num_requests": 1,
            "num_candidates": 4,
            "num_votes": 1,
            "num_feedback": 1,
            "num_favorites": 1,
            "has_consented": True,
            "adapters": [],
        }
        async with mine.get("/api/privacy") as reply:
            overview = await reply.json()
            assert len(overview.pop("visitor_id")) == 64
            assert overview == kept
        async with mine.get("/api/privacy/export") as reply:
            assert reply.content_type == "application/json"
            assert reply.headers["Content-Disposition"] == 'attachment; filename="mjprompt-export.json"'
            exported = json.loads(await reply.text())
            assert "a boy" in json.dumps(exported)
            assert "not mine" not in json.dumps(exported)
        async with mine.delete("/api/me", json={"confirm": True}) as reply:
            assert (reply.status, await reply.json()) == (200, kept)
        for address, field in (("/api/history", "requests"), ("/api/favorites", "favorites")):
            async with mine.get(address) as reply:
                assert (await reply.json())[field] == []
        async with mine.delete("/api/me", json={"confirm": True}) as reply:
            gone = await reply.json()
            assert [gone[name] for name in kept if name.startswith("num_")] == [0] * 5
        async with other.get(f"/api/requests/{others['id']}") as reply:
            assert reply.status == 200


@pytest.mark.parametrize("body", [{}, {"confirm": False}, {"confirm": "true"}, {"confirm": True, "who": "all"}])
async def test_nothing_is_deleted_without_a_clear_confirmation(
    browser: aiohttp.ClientSession, body: dict[str, Any]
) -> None:
    request = await ask(browser, "a boy")
    async with browser.delete("/api/me", json=body) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_body")
    async with browser.get(f"/api/requests/{request['id']}") as reply:
        assert reply.status == 200


async def test_somebody_never_seen_has_nothing_to_see_export_or_delete(site: Site) -> None:
    async with site.browser() as browser:
        async with browser.get("/api/privacy") as reply:
            assert (await reply.json())["num_requests"] == 0
        async with browser.get("/api/privacy/export") as reply:
            assert await reply.json() == {}
        async with browser.delete("/api/me", json={"confirm": True}) as reply:
            assert (await reply.json())["num_requests"] == 0
    async with site.database.read() as session:
        connection = await session.connection()
        assert (await connection.exec_driver_sql("SELECT count(*) FROM users")).scalar() == 0


async def test_model_says_what_serves_since_when_and_that_it_learned_from_nobody(
    browser: aiohttp.ClientSession,
) -> None:
    async with browser.get("/api/model") as reply:
        model = await reply.json()
    assert model["model"]["base"] == "models/pocket"
    assert model["since"] is not None
    assert (model["is_ready"], model["adapter_id"], model["num_votes"], model["num_own_votes"]) == (True, None, 0, 0)
    assert (model["is_operator"], model["adapters"]) == (False, [])


@pytest.mark.parametrize("refused", OPERATOR_CALLS)
async def test_visitor_who_is_no_operator_is_refused_and_recorded(
    site: Site, browser: aiohttp.ClientSession, refused: tuple[str, str, dict[str, Any] | None, str]
) -> None:
    method, address, body, action = refused
    async with browser.request(method, address, json=body) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (403, "not_allowed")
    assert await audit_entries(site) == [(action, False)]


@asynccontextmanager
async def operating(make_settings: MakeSettings) -> AsyncIterator[tuple[Site, aiohttp.ClientSession]]:
    """Serve a chat with a browser whose visitor is an operator."""
    secret = "a" * 22
    settings = make_settings(operator_ids=f"discord:123, web:{hashlib.sha256(secret.encode()).hexdigest()}")
    async with running_site(settings) as site, site.browser(cookies={COOKIE_NAME: secret}) as browser:
        yield site, browser


async def test_operators_decision_is_done_and_recorded_once_however_often_it_is_sent(
    make_settings: MakeSettings,
) -> None:
    async with operating(make_settings) as (site, browser):
        async with browser.get("/api/model") as reply:
            assert (await reply.json())["is_operator"] is True
        messages = []
        for _ in range(2):
            async with browser.post("/api/retrain", headers={"Idempotency-Key": "key-1"}) as reply:
                assert reply.status == 202
                messages.append((await reply.json())["message"])
        async with browser.post("/api/model/promote", json={"adapter": "nothing"}) as reply:
            assert (reply.status, (await error_of(reply))["code"]) == (404, "not_found")
        assert await audit_entries(site) == [("retrain", True)]
    assert messages[0] == messages[1] != ""


async def test_operator_follows_a_cycle_and_cancels_it(make_settings: MakeSettings) -> None:
    async with operating(make_settings) as (_, browser):
        async with browser.get("/api/retrain/plan") as reply:
            plan = await reply.json()
        assert (plan["num_votes"], plan["missing"], plan["dropped"]) == (212, None, {"quarantine": 4, "burst": 2})
        async with browser.get("/api/cycle") as reply:
            assert await reply.json() == {"cycle": None}
        async with browser.post("/api/retrain") as reply:
            assert reply.status == 202
        async with browser.post("/api/retrain") as reply:
            error = await error_of(reply)
            assert (reply.status, error["code"]) == (409, "not_possible")
            assert "is open, in the state planned" in error["message"]
        async with browser.get("/api/cycle") as reply:
            cycle = (await reply.json())["cycle"]
        assert (cycle["state"], cycle["is_open"], cycle["gate"], cycle["progress"]) == ("planned", True, [], None)
        async with browser.post("/api/cycle/cancel") as reply:
            assert reply.status == 202
        async with browser.get("/api/cycle") as reply:
            cycle = (await reply.json())["cycle"]
        assert (cycle["state"], cycle["is_open"]) == ("cancelled", False)


@pytest.mark.parametrize("body", [{}, {"adapter": 5}, {"adapter": None}, {"adapter": "a", "now": True}])
async def test_promotion_without_an_adapter_is_refused(browser: aiohttp.ClientSession, body: dict[str, Any]) -> None:
    async with browser.post("/api/model/promote", json=body) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_body")


async def audit_entries(site: Site) -> list[tuple[str, bool]]:
    """Return the action of every audit row and whether it was allowed, oldest first."""
    async with site.database.read() as session:
        return [(entry.action.value, entry.is_allowed) for entry in await audit.recent(session, limit=100)][::-1]
