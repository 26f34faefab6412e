"""The HTTP API as docs/api.md describes it, over a real server, database and queue."""

import asyncio
import errno
import socket
from time import monotonic

import aiohttp
import pytest

from bot.web.application import create_app, start_site
from core.errors import AddressInUse, ConfigError
from core.records import WorkerState
from storage import workers
from tests.bot.conftest import MakeSettings, Site, answer, ask

ULID_NOBODY_HAS = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def test_ask_is_taken_in_and_followed_to_four_ranked_prompts(browser: aiohttp.ClientSession) -> None:
    async with browser.post("/api/requests", json={"text": "/mjprompt a boy running in the snow"}) as reply:
        assert reply.status == 202
        request = await reply.json()
        assert reply.headers["Location"] == f"/api/requests/{request['id']}"
    assert request["subject"] == "a boy running in the snow"
    done = await answer(browser, request)
    assert done["state"] == "done"
    assert [candidate["rank"] for candidate in done["candidates"]] == [1, 2, 3, 4]
    assert len({candidate["text"] for candidate in done["candidates"]}) == 4
    assert done["model"]["base"] == "models/pocket"


async def test_idea_without_the_slash_command_is_taken_too(browser: aiohttp.ClientSession) -> None:
    assert (await ask(browser, "a boy running in the snow"))["subject"] == "a boy running in the snow"


async def test_same_idempotency_key_gives_the_same_request_to_the_same_browser_only(site: Site) -> None:
    site.worker.pause()
    async with site.browser() as mine, site.browser() as other:
        first = await ask(mine, "a boy", **{"Idempotency-Key": "key-1"})
        again = await ask(mine, "a boy", **{"Idempotency-Key": "key-1"})
        elsewhere = await ask(other, "a boy", **{"Idempotency-Key": "key-1"})
        without = await ask(mine, "a boy")
    assert first["id"] == again["id"]
    assert len({first["id"], elsewhere["id"], without["id"]}) == 3


async def test_long_poll_returns_at_once_when_something_else_was_seen(
    site: Site, browser: aiohttp.ClientSession
) -> None:
    site.worker.pause()
    request = await ask(browser, "a boy")
    started = monotonic()
    async with browser.get(f"/api/requests/{request['id']}", params={"seen": "queued:7", "wait": "25"}) as reply:
        assert (await reply.json())["seen"] == "queued:1"
    assert monotonic() - started < 5


async def test_long_poll_waits_its_time_and_shows_the_unchanged_request(
    site: Site, browser: aiohttp.ClientSession
) -> None:
    site.worker.pause()
    request = await ask(browser, "a boy")
    started = monotonic()
    async with browser.get(f"/api/requests/{request['id']}", params={"seen": request["seen"], "wait": "0.4"}) as reply:
        assert (await reply.json())["state"] == "queued"
    assert 0.35 < monotonic() - started < 5


async def test_position_counts_down_while_waiting(site: Site) -> None:
    site.worker.pause()
    async with site.browser() as first, site.browser() as second:
        ahead = await ask(first, "a girl")
        behind = await ask(second, "a boy")
        assert (ahead["position"], behind["position"]) == (1, 2)
        query = {"seen": behind["seen"], "wait": "20"}
        waiting = asyncio.create_task(second.get(f"/api/requests/{behind['id']}", params=query))
        await asyncio.sleep(0.2)
        async with first.post(f"/api/requests/{ahead['id']}/cancel") as reply:
            assert (await reply.json())["state"] == "cancelled"
        async with await waiting as reply:
            assert (await reply.json())["position"] == 1


async def test_cancelled_request_is_never_answered_and_cancelling_again_is_harmless(
    site: Site, browser: aiohttp.ClientSession
) -> None:
    site.worker.pause()
    request = await ask(browser, "a boy")
    for _ in range(2):
        async with browser.post(f"/api/requests/{request['id']}/cancel") as reply:
            assert (reply.status, (await reply.json())["state"]) == (200, "cancelled")
    site.worker.resume()
    await answer(browser, await ask(browser, "a girl"))
    assert request["id"] not in site.worker.answered


async def test_another_browser_neither_sees_nor_cancels_my_request(site: Site) -> None:
    site.worker.pause()
    async with site.browser() as mine, site.browser() as other:
        request = await ask(mine, "a boy")
        for method in ("GET", "DELETE"):
            async with other.request(method, f"/api/requests/{request['id']}") as reply:
                assert (reply.status, (await reply.json())["error"]["code"]) == (404, "not_found")


async def test_vote_put_twice_counts_once_and_is_changed_and_taken_back(
    browser: aiohttp.ClientSession,
) -> None:
    done = await answer(browser, await ask(browser, "a boy"))
    address = f"/api/candidates/{done['candidates'][2]['id']}/vote"
    seen = []
    for thumb in ("up", "up", "down", None, None):
        async with browser.put(address, json={"thumb": thumb}) as reply:
            assert reply.status == 200
            voted = await reply.json()
            seen.append((voted["votes_up"], voted["votes_down"], voted["my_vote"]))
    assert seen == [(1, 0, "up"), (1, 0, "up"), (0, 1, "down"), (0, 0, None), (0, 0, None)]


async def test_replayed_vote_does_not_undo_a_later_one(browser: aiohttp.ClientSession) -> None:
    done = await answer(browser, await ask(browser, "a boy"))
    address = f"/api/candidates/{done['candidates'][0]['id']}/vote"
    votes = []
    for key, thumb in (("press-1", "up"), ("press-2", "down"), ("press-1", "up")):
        async with browser.put(address, json={"thumb": thumb}, headers={"Idempotency-Key": key}) as reply:
            votes.append((await reply.json())["my_vote"])
    assert votes == ["up", "down", "down"]


async def test_history_pages_through_everything_this_browser_asked(site: Site) -> None:
    site.worker.pause()
    async with site.browser() as mine, site.browser() as other:
        asked = [(await ask(mine, f"idea {number}"))["id"] for number in range(5)]
        await ask(other, "not mine")
        seen: list[str] = []
        query = {"limit": "2"}
        while True:
            async with mine.get("/api/history", params=query) as reply:
                page = await reply.json()
            seen += [request["id"] for request in page["requests"]]
            if page["next_before"] is None:
                break
            query["before"] = page["next_before"]
    assert seen == asked[::-1]


async def test_consent_is_off_until_given(browser: aiohttp.ClientSession) -> None:
    states = []
    for body in (None, {"is_given": True}, None, {"is_given": False}, None):
        call = browser.get("/api/consent") if body is None else browser.put("/api/consent", json=body)
        async with call as reply:
            assert reply.status == 200
            states.append((await reply.json())["is_given"])
    assert states == [False, True, True, False, False]


async def test_status_says_who_answers(site: Site, browser: aiohttp.ClientSession) -> None:
    states = []
    for step in (None, WorkerState.LOADING, WorkerState.DRAINING, "gone"):
        if step == "gone":
            await site.worker.retire()
        elif step is not None:
            await site.worker.announce(WorkerState(step))
        async with browser.get("/api/status") as reply:
            status = await reply.json()
        states.append((status["state"], status["model"] and status["model"]["base"]))
    assert states == [("ready", "models/pocket"), ("loading", None), ("away", None), ("away", None)]


async def test_status_says_that_the_model_has_left_the_gpu_to_a_training(
    site: Site, browser: aiohttp.ClientSession
) -> None:
    await site.worker.retire()
    async with site.database.write() as session:
        await workers.announce(session, "w", WorkerState.LOADING, None, metrics={"is_paused": True})
    async with browser.get("/api/status") as reply:
        assert (await reply.json())["state"] == "paused"
    async with browser.get("/metrics") as reply:
        assert reply.status == 200


async def test_health_is_ok_while_the_database_can_be_read(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/api/health") as reply:
        assert (reply.status, await reply.json()) == (200, {"status": "ok"})
        assert "Set-Cookie" not in reply.headers


async def test_fifty_concurrent_asks_are_all_answered_and_none_twice(site: Site) -> None:
    async def ask_and_follow(number: int) -> str:
        async with site.browser() as client:
            done = await answer(client, await ask(client, f"/mjprompt idea number {number}"))
        assert done["state"] == "done"
        assert all(f"idea number {number}," in candidate["text"] for candidate in done["candidates"])
        assert len(done["candidates"]) == 4
        return str(done["id"])

    answered = await asyncio.gather(*(ask_and_follow(number) for number in range(50)))
    assert len(set(answered)) == 50
    assert sorted(site.worker.answered) == sorted(answered)


async def test_shutdown_does_not_wait_for_long_polls(site: Site, make_settings: MakeSettings) -> None:
    site.worker.pause()
    watcher = type(site.watcher)(site.database)
    runner, port = await start_site(create_app(site.services, watcher), make_settings())
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", cookie_jar=jar) as client:
        request = await ask(client, "a boy")
        query = {"seen": request["seen"], "wait": "25"}
        waiting = asyncio.create_task(client.get(f"/api/requests/{request['id']}", params=query))
        await asyncio.sleep(0.2)
        started = monotonic()
        await runner.cleanup()
        assert monotonic() - started < 5
        async with await waiting as reply:
            assert (await reply.json())["state"] == "queued"


async def test_port_in_use_is_said_in_one_plain_sentence(site: Site, make_settings: MakeSettings) -> None:
    settings = make_settings(web_port=site.port)
    with pytest.raises(AddressInUse, match=rf"cannot open 127\.0\.0\.1:{site.port} because another program has it"):
        await start_site(create_app(site.services, site.watcher), settings)


async def test_host_of_another_machine_is_said_in_one_plain_sentence(site: Site, make_settings: MakeSettings) -> None:
    """192.0.2.1 is reserved for documentation, so no machine has it."""
    settings = make_settings(web_host="192.0.2.1", web_password="a long secret")
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:0: it is no address of this machine; set WEB_HOST"):
        await start_site(create_app(site.services, site.watcher), settings)


async def test_any_free_port_is_reported_as_the_real_one(site: Site) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", site.port)) != errno.ECONNREFUSED
    assert site.port > 0


@pytest.mark.parametrize("address", [f"/api/requests/{ULID_NOBODY_HAS}", "/api/requests/1", "/api/nothing", "/nothing"])
async def test_what_is_not_there_is_a_calm_404(browser: aiohttp.ClientSession, address: str) -> None:
    async with browser.get(address) as reply:
        error = (await reply.json())["error"]
        assert (reply.status, error["code"]) == (404, "not_found")
        assert error["message"].endswith(".")
