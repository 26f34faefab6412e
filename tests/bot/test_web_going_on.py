"""Asking with options, and going on from an answer, over the HTTP API."""

from typing import Any

import aiohttp
import pytest

from core.records import AuditAction
from storage import audit
from tests.bot.conftest import Site, answer, ask, error_of

ULID_NOBODY_HAS = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def taken_in(
    client: aiohttp.ClientSession, address: str, body: dict[str, Any] | None = None, **headers: str
) -> dict[str, Any]:
    """Post to an address that queues a request, and return the request."""
    async with client.post(address, json=body, headers=headers) as reply:
        assert reply.status == 202, await reply.text()
        request: dict[str, Any] = await reply.json()
        assert reply.headers["Location"] == f"/api/requests/{request['id']}"
    return request


async def test_chosen_options_become_midjourneys_own_parameters(browser: aiohttp.ClientSession) -> None:
    options = {"aspect_ratio": "16:9", "style": "raw", "version": "7", "num_candidates": 2, "is_private": True}
    request = await taken_in(browser, "/api/requests", {"text": "a boy"} | options)
    assert request["subject"] == "a boy"
    assert all(parameter in request["idea"] for parameter in ("--ar 16:9", "--raw", "--v 7"))
    assert (request["kind"], request["is_private"]) == ("ask", True)
    assert len((await answer(browser, request))["candidates"]) == 2


async def test_options_left_out_or_null_change_nothing(browser: aiohttp.ClientSession) -> None:
    nothing = dict.fromkeys(("aspect_ratio", "style", "version", "num_candidates", "is_private"))
    request = await taken_in(browser, "/api/requests", {"text": "a boy"} | nothing)
    assert (request["idea"], request["is_private"]) == ("a boy", False)
    assert len((await answer(browser, request))["candidates"]) == 4


async def test_typed_flags_are_read_and_win_over_chosen_options(browser: aiohttp.ClientSession) -> None:
    body = {"text": "/mjprompt a boy --ar 3:2 --count 1 --private", "aspect_ratio": "16:9", "num_candidates": 3}
    request = await taken_in(browser, "/api/requests", body)
    assert (request["idea"], request["is_private"]) == ("a boy --ar 3:2", True)
    assert len((await answer(browser, request))["candidates"]) == 1


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("aspect_ratio", "wide", "invalid_parameter"),
        ("aspect_ratio", 1.5, "invalid_body"),
        ("style", "baroque", "invalid_parameter"),
        ("style", ["raw"], "invalid_body"),
        ("version", "99", "invalid_parameter"),
        ("version", 7, "invalid_body"),
        ("num_candidates", 0, "invalid_parameter"),
        ("num_candidates", 10**30, "invalid_parameter"),
        ("num_candidates", 2.5, "invalid_body"),
        ("num_candidates", True, "invalid_body"),
        ("num_candidates", "2", "invalid_body"),
        ("is_private", "yes", "invalid_body"),
        ("is_private", 1, "invalid_body"),
        ("count", 2, "invalid_body"),
    ],
)
async def test_option_that_cannot_be_taken_is_refused_and_nothing_is_queued(
    site: Site, browser: aiohttp.ClientSession, field: str, value: object, code: str
) -> None:
    async with browser.post("/api/requests", json={"text": "a boy", field: value}) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, code)
    assert (await site.service.status()).queue_length == 0


async def test_variation_keeps_the_subject_and_is_a_request_of_its_own(browser: aiohttp.ClientSession) -> None:
    done = await answer(browser, await ask(browser, "a boy"))
    varied = await taken_in(browser, f"/api/candidates/{done['candidates'][1]['id']}/vary")
    assert varied["kind"] == "vary"
    assert varied["id"] != done["id"]
    assert "a boy" in varied["subject"]
    assert len((await answer(browser, varied))["candidates"]) == 4


async def test_remix_asks_the_edited_idea(browser: aiohttp.ClientSession) -> None:
    done = await answer(browser, await ask(browser, "a boy"))
    remixed = await taken_in(browser, f"/api/requests/{done['id']}/remix", {"text": "an old boy --ar 4:5"})
    assert (remixed["kind"], remixed["idea"]) == ("remix", "an old boy --ar 4:5")


async def test_reroll_asks_the_same_idea_again(browser: aiohttp.ClientSession) -> None:
    done = await answer(browser, await ask(browser, "a boy --ar 4:5"))
    rolled = await taken_in(browser, f"/api/requests/{done['id']}/reroll")
    assert (rolled["kind"], rolled["idea"]) == ("reroll", done["idea"])
    assert rolled["id"] != done["id"]


async def test_replayed_key_goes_on_once_and_another_key_goes_on_again(site: Site) -> None:
    async with site.browser() as browser:
        done = await answer(browser, await ask(browser, "a boy"))
        site.worker.pause()
        calls: list[tuple[str, dict[str, Any] | None]] = [
            (f"/api/candidates/{done['candidates'][0]['id']}/vary", None),
            (f"/api/requests/{done['id']}/remix", {"text": "an old boy"}),
            (f"/api/requests/{done['id']}/reroll", None),
        ]
        ids = [
            (await taken_in(browser, address, body, **{"Idempotency-Key": key}))["id"]
            for address, body in calls
            for key in ("key-1", "key-1", "key-2")
        ]
    assert len(set(ids)) == 6
    assert [ids[first] == ids[first + 1] for first in (0, 3, 6)] == [True] * 3


async def test_another_visitor_goes_on_from_an_open_request_with_one_of_their_own(site: Site) -> None:
    async with site.browser() as mine, site.browser() as other:
        done = await answer(mine, await ask(mine, "a boy"))
        for address in (f"/api/candidates/{done['candidates'][0]['id']}/vary", f"/api/requests/{done['id']}/reroll"):
            request = await taken_in(other, address)
            async with other.get(f"/api/requests/{request['id']}") as reply:
                assert reply.status == 200
            async with mine.get(f"/api/requests/{request['id']}") as reply:
                assert reply.status == 404


async def test_private_request_is_nobody_elses_and_trying_leaves_an_audit_row(site: Site) -> None:
    async with site.browser() as mine, site.browser() as other:
        done = await answer(mine, await ask(mine, "a boy --private"))
        request, candidate = f"/api/requests/{done['id']}", f"/api/candidates/{done['candidates'][0]['id']}"
        tried: list[tuple[str, str, dict[str, Any] | None]] = [
            ("POST", f"{candidate}/vary", None),
            ("POST", f"{request}/remix", {"text": "an old boy"}),
            ("POST", f"{request}/reroll", None),
            ("POST", f"{request}/cancel", None),
            ("DELETE", request, None),
            ("PUT", f"{candidate}/vote", {"thumb": "up"}),
            ("POST", f"{candidate}/press", {"thumb": "up"}),
            ("PUT", f"{candidate}/saved", {"is_saved": True}),
            ("PUT", f"{candidate}/feedback", {"reason": "unsafe"}),
        ]
        for method, address, body in tried:
            async with other.request(method, address, json=body) as reply:
                assert (reply.status, (await error_of(reply))["code"]) == (404, "not_found"), address
        async with mine.get(request) as reply:
            assert (await reply.json())["candidates"] == done["candidates"]
    async with site.database.read() as session:
        entries = await audit.recent(session, limit=100)
    assert [(entry.action, entry.is_allowed) for entry in entries] == [(AuditAction.FOREIGN_ID, False)] * len(tried)


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("POST", "/api/requests/{id}/cancel", None),
        ("POST", "/api/requests/{id}/remix", {"text": "a boy"}),
        ("POST", "/api/requests/{id}/reroll", None),
        ("DELETE", "/api/requests/{id}", None),
        ("POST", "/api/candidates/{id}/vary", None),
        ("POST", "/api/candidates/{id}/press", {"thumb": "up"}),
        ("PUT", "/api/candidates/{id}/saved", {"is_saved": True}),
        ("PUT", "/api/candidates/{id}/feedback", {"reason": "unsafe"}),
    ],
)
async def test_what_does_not_exist_is_not_found(
    browser: aiohttp.ClientSession, method: str, address: str, body: dict[str, Any] | None
) -> None:
    async with browser.request(method, address.format(id=ULID_NOBODY_HAS), json=body) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (404, "not_found")


@pytest.mark.parametrize("body", [{}, {"text": None}, {"text": "a boy", "num_candidates": 2}, {"text": ""}])
async def test_remix_without_a_usable_text_is_refused(browser: aiohttp.ClientSession, body: dict[str, Any]) -> None:
    request = await ask(browser, "a boy")
    async with browser.post(f"/api/requests/{request['id']}/remix", json=body) as reply:
        assert reply.status == 400
        await error_of(reply)


@pytest.mark.parametrize("call", ["cancel", "reroll"])
@pytest.mark.parametrize("body", [b'{"num_candidates": 8}', b"[]", b"null", b"{"])
async def test_field_that_a_call_does_not_take_is_refused(
    browser: aiohttp.ClientSession, call: str, body: bytes
) -> None:
    request = await ask(browser, "a boy")
    async with browser.post(f"/api/requests/{request['id']}/{call}", data=body) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_body")


async def test_cancel_takes_back_all_that_is_open_and_mine(site: Site) -> None:
    site.worker.pause()
    async with site.browser() as mine, site.browser() as other:
        for number in range(3):
            await ask(mine, f"idea {number}")
        others = await ask(other, "not mine")
        counts = []
        for _ in range(2):
            async with mine.post("/api/cancel") as reply:
                counts.append((await reply.json())["num_cancelled"])
        async with mine.get("/api/history") as reply:
            states = {request["state"] for request in (await reply.json())["requests"]}
        async with other.get(f"/api/requests/{others['id']}") as reply:
            assert (await reply.json())["state"] == "queued"
    assert (counts, states) == ([3, 0], {"cancelled"})


async def test_deleted_request_is_gone_for_good_whether_it_had_ended_or_not(site: Site) -> None:
    async with site.browser() as browser:
        done = await answer(browser, await ask(browser, "a boy"))
        site.worker.pause()
        waiting = await ask(browser, "a girl")
        for request in (done, waiting):
            statuses = []
            for _ in range(2):
                async with browser.delete(f"/api/requests/{request['id']}") as reply:
                    statuses.append(reply.status)
            assert statuses == [200, 404]
        async with browser.get("/api/history") as reply:
            assert (await reply.json())["requests"] == []
        site.worker.resume()
        await answer(browser, await ask(browser, "a dog"))
    assert waiting["id"] not in site.worker.answered


async def test_only_the_person_who_asked_cancels_or_deletes(site: Site) -> None:
    site.worker.pause()
    async with site.browser() as mine, site.browser() as other:
        request = await ask(mine, "a boy")
        for method, address in (("DELETE", ""), ("POST", "/cancel")):
            async with other.request(method, f"/api/requests/{request['id']}{address}") as reply:
                assert (reply.status, (await error_of(reply))["code"]) == (404, "not_found")
        async with mine.get(f"/api/requests/{request['id']}") as reply:
            assert (await reply.json())["state"] == "queued"
