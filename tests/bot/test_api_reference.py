"""docs/api.md names everything that the web chat offers, and nothing else."""

import re

import aiohttp
from aiohttp import web

from bot.web.error_replies import OF_HTTP_STATUS, REPLY_OF
from bot.web.routes import ChatRoutes
from core.settings import PROJECT_ROOT
from tests.bot.conftest import Site, answer, ask

REFERENCE = (PROJECT_ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_route_of_the_api_is_in_the_reference_and_no_other(site: Site) -> None:
    routes = {
        (route.method, re.sub(r"\{(\w+):[^/]*\}", r"{\1}", route.path))
        for route in ChatRoutes(site.services, site.watcher).table()
        if isinstance(route, web.RouteDef) and route.path != "/"
    }
    listed = set(re.findall(r"^\| `(GET|POST|PUT|DELETE) (/[\w/{}]+)` \|", REFERENCE, flags=re.MULTILINE))
    assert len(routes) == 30
    assert listed == routes


def test_every_error_code_is_in_the_reference_with_its_status() -> None:
    replies = {*REPLY_OF.values(), *OF_HTTP_STATUS.values()}
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", REFERENCE, flags=re.MULTILINE)
    listed = {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    assert len(listed) >= 12
    assert listed == {(int(reply.status), reply.code) for reply in replies}


async def test_every_field_of_a_request_and_its_prompts_is_in_the_reference(
    browser: aiohttp.ClientSession,
) -> None:
    done = await answer(browser, await ask(browser, "a boy"))
    fields = {*done, *done["model"], *done["candidates"][0]}
    assert len(fields) >= 20
    assert {field for field in fields if f"`{field}`" not in REFERENCE} == set()
