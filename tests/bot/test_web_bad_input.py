"""Whatever is sent: a 4xx with one calm sentence, nothing stored, and the server still answers."""

import json
from typing import Any

import aiohttp
import pytest

from tests.bot.conftest import Site, answer, ask, error_of

JSON_TYPE = {"Content-Type": "application/json"}
ULID_NOBODY_HAS = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

BAD_BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "invalid_body"),
    "not JSON": (b"/mjprompt a boy", 400, "invalid_body"),
    "half an object": (b'{"text": "a boy', 400, "invalid_body"),
    "not UTF-8": (b'{"text": "\xff\xfe"}', 400, "invalid_body"),
    "UTF-16": ('{"text": "a boy"}'.encode("utf-16"), 400, "invalid_body"),
    "a list": (b'["a boy"]', 400, "invalid_body"),
    "null": (b"null", 400, "invalid_body"),
    "text alone": (b'"a boy"', 400, "invalid_body"),
    "no field": (b"{}", 400, "invalid_body"),
    "another field": (b'{"text": "a boy", "user": "anna"}', 400, "invalid_body"),
    "a number": (b'{"text": 5}', 400, "invalid_body"),
    "no value": (b'{"text": null}', 400, "invalid_body"),
    "a nested list": (b'{"text": ["a boy"]}', 400, "invalid_body"),
    "a huge number": (b'{"text": ' + b"9" * 6000 + b"}", 400, "invalid_body"),
    "deep lists": (b'{"text": ' + b"[" * 8000 + b"]" * 8000 + b"}", 400, "invalid_body"),
    "deep objects": (b'{"text":' * 1500 + b"1" + b"}" * 1500, 400, "invalid_body"),
    "a megabyte": (b'{"text": "' + b"a" * 1_000_000 + b'"}', 413, "body_too_large"),
    "empty idea": (b'{"text": ""}', 400, "invalid_idea"),
    "blank idea": (b'{"text": " \\t\\n "}', 400, "invalid_idea"),
    "only the command": (b'{"text": "/mjprompt"}', 400, "invalid_idea"),
    "another command": (b'{"text": "/foo a boy"}', 400, "invalid_idea"),
    "too long": (json.dumps({"text": "/mjprompt " + "a boy " * 60}).encode(), 400, "invalid_idea"),
    "NUL": (b'{"text": "a boy\\u0000"}', 400, "invalid_idea"),
    "escape character": (b'{"text": "a \\u001b[31mred boy"}', 400, "invalid_idea"),
    "lone surrogate": (b'{"text": "a boy \\ud800"}', 400, "invalid_idea"),
    "bidi override": ('{"text": "a boy \u202e gnp.exe"}'.encode(), 400, "invalid_idea"),
    "mention": (b'{"text": "a boy @everyone"}', 400, "invalid_idea"),
    "only parameters": (b'{"text": "--ar 16:9"}', 400, "invalid_idea"),
    "unknown parameter": (b'{"text": "a boy --sparkle 5"}', 400, "invalid_parameter"),
    "parameter out of range": (b'{"text": "a boy --stylize 5000"}', 400, "invalid_parameter"),
}


@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES.values(), ids=BAD_BODIES)
async def test_bad_ask_is_refused_and_nothing_is_stored(
    site: Site, browser: aiohttp.ClientSession, body: bytes, status: int, code: str
) -> None:
    async with browser.post("/api/requests", data=body, headers=JSON_TYPE) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (status, code)
    async with browser.get("/api/history") as reply:
        assert (await reply.json())["requests"] == []
    async with site.database.read() as session:
        connection = await session.connection()
        assert (await connection.exec_driver_sql("SELECT count(*) FROM users")).scalar() == 0


async def test_server_still_answers_after_all_bad_bodies(browser: aiohttp.ClientSession) -> None:
    for body, status, _ in BAD_BODIES.values():
        async with browser.post("/api/requests", data=body, headers=JSON_TYPE) as reply:
            assert reply.status == status
    assert (await answer(browser, await ask(browser, "a boy")))["state"] == "done"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_body_that_is_not_called_json_is_refused(browser: aiohttp.ClientSession, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    async with browser.post("/api/requests", data=b'{"text": "a boy"}', headers=headers) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (415, "not_json")


async def test_chunked_body_over_the_limit_is_refused_too(browser: aiohttp.ClientSession) -> None:
    async def chunks() -> Any:
        for _ in range(40):
            yield b" " * 1024

    async with browser.post("/api/requests", data=chunks(), headers=JSON_TYPE) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("thumb", ["sideways", "UP", "", 1, True, ["up"], {"thumb": "up"}])
async def test_thumb_that_is_neither_up_nor_down_nor_null_is_refused(
    browser: aiohttp.ClientSession, thumb: object
) -> None:
    done = await answer(browser, await ask(browser, "a boy"))
    async with browser.put(f"/api/candidates/{done['candidates'][0]['id']}/vote", json={"thumb": thumb}) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_body")


async def test_vote_for_a_prompt_that_does_not_exist_is_not_found(browser: aiohttp.ClientSession) -> None:
    async with browser.put(f"/api/candidates/{ULID_NOBODY_HAS}/vote", json={"thumb": "up"}) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (404, "not_found")


@pytest.mark.parametrize("value", ["yes", 1, None, []])
async def test_consent_that_is_not_true_or_false_is_refused(browser: aiohttp.ClientSession, value: object) -> None:
    async with browser.put("/api/consent", json={"is_given": value}) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_body")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=51",
        "limit=-1",
        "limit=ten",
        "limit=1.5",
        "limit=%D9%A3",
        "limit=99999999999999999999",
        "before=1",
    ],
)
async def test_history_query_out_of_range_is_refused(browser: aiohttp.ClientSession, query: str) -> None:
    async with browser.get(f"/api/history?{query}") as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_body")


@pytest.mark.parametrize("wait", ["-1", "25.5", "nan", "inf", "soon", "1e400"])
async def test_wait_out_of_range_is_refused(browser: aiohttp.ClientSession, wait: str) -> None:
    request = await ask(browser, "a boy")
    async with browser.get(f"/api/requests/{request['id']}", params={"seen": "queued:1", "wait": wait}) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_body")


@pytest.mark.parametrize("key", ["", "a b", "k" * 101, "schlüssel", "a/b"])
async def test_odd_idempotency_key_is_refused(browser: aiohttp.ClientSession, key: str) -> None:
    async with browser.post("/api/requests", json={"text": "a boy"}, headers={"Idempotency-Key": key}) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_body")


@pytest.mark.parametrize(("method", "address"), [("PATCH", "/api/requests"), ("POST", "/api/status"), ("POST", "/")])
async def test_other_methods_are_refused_with_those_that_work(
    browser: aiohttp.ClientSession, method: str, address: str
) -> None:
    async with browser.request(method, address, json={}) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (405, "method_not_allowed")
        assert reply.headers["Allow"]


async def test_markup_is_kept_as_plain_text(browser: aiohttp.ClientSession) -> None:
    idea = "*a boy* <script>alert(1)</script> _in_ [the snow]"
    async with browser.post("/api/requests", json={"text": idea}) as reply:
        assert (reply.status, reply.content_type) == (202, "application/json")
        assert (await reply.json())["idea"] == idea


async def test_formatting_is_refused_and_nothing_is_stored(browser: aiohttp.ClientSession) -> None:
    async with browser.post("/api/requests", json={"text": "a ||boy|| running"}) as reply:
        assert (reply.status, (await error_of(reply))["code"]) == (400, "invalid_idea")
    async with browser.get("/api/history") as reply:
        assert (await reply.json())["requests"] == []
