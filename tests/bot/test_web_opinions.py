"""Thumbs as buttons, favourites, and what people say after a 👎, over the HTTP API."""

from typing import Any

import aiohttp
import pytest

from tests.bot.conftest import Site, answer, ask, error_of


async def candidates(client: aiohttp.ClientSession, idea: str = "a boy") -> list[dict[str, Any]]:
    """Ask, wait for the answer and return its prompts."""
    found: list[dict[str, Any]] = (await answer(client, await ask(client, idea)))["candidates"]
    return found


async def press(client: aiohttp.ClientSession, candidate_id: str, thumb: str, **headers: str) -> dict[str, Any]:
    async with client.post(f"/api/candidates/{candidate_id}/press", json={"thumb": thumb}, headers=headers) as reply:
        assert reply.status == 200, await reply.text()
        candidate: dict[str, Any] = await reply.json()
    return candidate


async def test_pressing_again_takes_the_vote_back_and_the_other_thumb_changes_it(
    browser: aiohttp.ClientSession,
) -> None:
    candidate = (await candidates(browser))[1]
    seen = []
    for thumb in ("up", "up", "down", "up", "up"):
        pressed = await press(browser, candidate["id"], thumb)
        assert pressed["id"] == candidate["id"]
        seen.append((pressed["votes_up"], pressed["votes_down"], pressed["my_vote"]))
    assert seen == [(1, 0, "up"), (0, 0, None), (0, 1, "down"), (1, 0, "up"), (0, 0, None)]


async def test_replayed_press_changes_nothing(browser: aiohttp.ClientSession) -> None:
    candidate = (await candidates(browser))[0]
    keys = ("key-1", "key-1", "key-1", "key-2", "key-1", "key-2")
    votes = [(await press(browser, candidate["id"], "up", **{"Idempotency-Key": key}))["my_vote"] for key in keys]
    assert votes == ["up", "up", "up", None, None, None]


async def test_votes_of_several_visitors_are_counted_together(site: Site) -> None:
    async with site.browser() as mine, site.browser() as other:
        candidate = (await candidates(mine))[0]
        await press(mine, candidate["id"], "up")
        pressed = await press(other, candidate["id"], "down")
    assert (pressed["votes_up"], pressed["votes_down"], pressed["my_vote"]) == (1, 1, "down")


@pytest.mark.parametrize("thumb", [None, "sideways", 1, ["up"]])
async def test_press_that_is_neither_up_nor_down_is_refused(browser: aiohttp.ClientSession, thumb: object) -> None:
    candidate = (await candidates(browser))[0]
    async with browser.post(f"/api/candidates/{candidate['id']}/press", json={"thumb": thumb}) as reply:
        error = await error_of(reply)
        assert (reply.status, error["code"]) == (400, "invalid_body")
        assert error["message"].endswith('send "up" or "down".')


async def test_saved_prompts_are_paged_newest_first_and_only_mine(site: Site) -> None:
    async with site.browser() as mine, site.browser() as other:
        saved = [candidate["id"] for candidate in await candidates(mine)]
        for candidate_id in (*saved, saved[0]):
            async with mine.put(f"/api/candidates/{candidate_id}/saved", json={"is_saved": True}) as reply:
                assert (reply.status, await reply.json()) == (200, {"is_saved": True})
        async with mine.put(f"/api/candidates/{saved[1]}/saved", json={"is_saved": False}) as reply:
            assert await reply.json() == {"is_saved": False}
        seen: list[dict[str, Any]] = []
        query = {"limit": "2"}
        while True:
            async with mine.get("/api/favorites", params=query) as reply:
                page = await reply.json()
            seen += page["favorites"]
            if page["next_before"] is None:
                break
            query["before"] = page["next_before"]
        async with other.get("/api/favorites") as reply:
            assert await reply.json() == {"favorites": [], "next_before": None}
    assert [favorite["candidate"]["id"] for favorite in seen] == [saved[3], saved[2], saved[0]]
    assert all(favorite["candidate"]["is_saved"] and favorite["idea"] == "a boy" for favorite in seen)


async def test_request_shows_which_of_its_prompts_are_saved(browser: aiohttp.ClientSession) -> None:
    done = await answer(browser, await ask(browser, "a boy"))
    async with browser.put(f"/api/candidates/{done['candidates'][2]['id']}/saved", json={"is_saved": True}):
        pass
    async with browser.get(f"/api/requests/{done['id']}") as reply:
        shown = await reply.json()
    assert [candidate["is_saved"] for candidate in shown["candidates"]] == [False, False, True, False]


@pytest.mark.parametrize("value", ["yes", 1, None, []])
async def test_saved_that_is_not_true_or_false_is_refused(browser: aiohttp.ClientSession, value: object) -> None:
    candidate = (await candidates(browser))[0]
    async with browser.put(f"/api/candidates/{candidate['id']}/saved", json={"is_saved": value}) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_body")


@pytest.mark.parametrize("query", ["limit=0", "limit=51", "before=1"])
async def test_favorites_query_out_of_range_is_refused(browser: aiohttp.ClientSession, query: str) -> None:
    async with browser.get(f"/api/favorites?{query}") as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_body")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"reason": "off_topic"}, {"reason": "off_topic", "correction": None}),
        ({"correction": " a boy,  drawn "}, {"reason": None, "correction": "a boy, drawn"}),
        ({"reason": None, "correction": "a boy --ar 1:1"}, {"reason": None, "correction": "a boy --ar 1:1"}),
        ({"reason": "unsafe", "correction": "a boy"}, {"reason": "unsafe", "correction": "a boy"}),
    ],
)
async def test_reason_better_prompt_or_both_are_kept(
    browser: aiohttp.ClientSession, given: dict[str, Any], kept: dict[str, Any]
) -> None:
    address = f"/api/candidates/{(await candidates(browser))[0]['id']}/feedback"
    async with browser.put(address, json={"reason": "duplicate"}) as reply:
        assert await reply.json() == {"reason": "duplicate", "correction": None}
    for _ in range(2):
        async with browser.put(address, json=given) as reply:
            assert (reply.status, await reply.json()) == (200, kept)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "invalid_idea"),
        ({"reason": None, "correction": None}, "invalid_idea"),
        ({"correction": "  "}, "invalid_idea"),
        ({"reason": "dull"}, "invalid_body"),
        ({"reason": 3}, "invalid_body"),
        ({"correction": ["a boy"]}, "invalid_body"),
        ({"correction": "a boy @everyone"}, "invalid_idea"),
        ({"correction": "a boy " * 60}, "invalid_idea"),
        ({"correction": "a boy --sparkle 5"}, "invalid_parameter"),
        ({"why": "dull"}, "invalid_body"),
    ],
)
async def test_feedback_that_cannot_be_taken_is_refused(
    browser: aiohttp.ClientSession, given: dict[str, Any], code: str
) -> None:
    address = f"/api/candidates/{(await candidates(browser))[0]['id']}/feedback"
    async with browser.put(address, json=given) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, code)
