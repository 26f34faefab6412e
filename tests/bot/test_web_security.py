"""Who gets in, what a browser is told, and what the database knows of a visitor."""

import asyncio
import base64
import hashlib
import re
from time import monotonic

import aiohttp
import pytest
from yarl import URL

from bot.web import security
from bot.web.visitors import COOKIE_NAME
from tests.bot.conftest import MakeSettings, Site, answer, ask, running_site

PAGES = ("/", "/static/main.js", "/static/fonts-LICENSE.txt", "/api/status", "/api/nothing", "/api/health")


@pytest.mark.parametrize("address", PAGES)
async def test_every_reply_carries_the_security_headers(browser: aiohttp.ClientSession, address: str) -> None:
    async with browser.get(address) as reply:
        for name, value in security.SECURITY_HEADERS.items():
            assert reply.headers[name] == value
        assert reply.headers["Cache-Control"] == ("no-store" if address.startswith("/api/") else "no-cache")
        assert reply.headers["Server"] == "mjprompt"


def test_content_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    policy = security.SECURITY_HEADERS["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert set(directives.values()) == {"'none'", "'self'"}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "[",
        "a@127.0.0.1.x",
    ],
)
async def test_host_that_was_rebound_to_this_machine_is_refused(site: Site, host: str) -> None:
    async with site.browser() as client:
        for address in ("/", "/api/history", "/api/health"):
            async with client.get(address, headers={"Host": host}) as reply:
                assert (reply.status, (await reply.json())["error"]["code"]) == (403, "not_allowed")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8765", "LOCALHOST", "[::1]:8765", "localhost."])
async def test_names_of_this_machine_are_served(browser: aiohttp.ClientSession, host: str) -> None:
    async with browser.get("/api/health", headers={"Host": host}) as reply:
        assert reply.status == 200


async def test_name_that_a_proxy_serves_is_served_once_it_is_listed(make_settings: MakeSettings) -> None:
    settings = make_settings(web_allowed_hosts="chat.example, prompts.example:443")
    async with running_site(settings) as site, site.browser() as client:
        for host, status in (("chat.example", 200), ("prompts.example", 200), ("evil.example", 403)):
            async with client.get("/api/health", headers={"Host": host}) as reply:
                assert reply.status == status
        headers = {"Host": "chat.example", "Origin": "https://chat.example"}
        async with client.post("/api/requests", json={"text": "a boy"}, headers=headers) as reply:
            assert reply.status == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_write_from_another_sites_page_is_refused(
    site: Site, browser: aiohttp.ClientSession, method: str, headers: dict[str, str]
) -> None:
    addresses = {
        "POST": "/api/requests",
        "PUT": "/api/consent",
        "DELETE": "/api/requests/01ARZ3NDEKTSV4RRFFQ69G5FAV",
    }
    async with browser.request(method, addresses[method], json={"text": "a boy"}, headers=headers) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (403, "not_allowed")
    assert (await site.service.status()).queue_length == 0


async def test_write_from_our_own_page_is_taken(site: Site, browser: aiohttp.ClientSession) -> None:
    headers = {"Origin": site.address, "Sec-Fetch-Site": "same-origin"}
    assert (await ask(browser, "a boy", **headers))["id"]


async def test_cookie_is_random_and_kept_from_scripts_and_other_sites(site: Site) -> None:
    secrets = set()
    for address in ("/", "/api/history", "/api/consent"):
        async with aiohttp.ClientSession(site.address) as client, client.get(address) as reply:
            cookie = reply.headers["Set-Cookie"]
            match = re.fullmatch(
                rf"{COOKIE_NAME}=([A-Za-z0-9_-]{{22}}); HttpOnly; Max-Age=31536000; Path=/; SameSite=Strict",
                cookie,
            )
            assert match is not None, cookie
            secrets.add(match[1])
    assert len(secrets) == 3


async def test_cookie_is_secure_behind_https(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/", headers={"X-Forwarded-Proto": "https"}) as reply:
        assert "; Secure" in reply.headers["Set-Cookie"]


@pytest.mark.parametrize("cookie", ["", "x", "a" * 23, "a" * 5000, "öööööööööööööööööööööö", "../../../etc/passwd"])
async def test_cookie_that_we_did_not_make_is_replaced(site: Site, cookie: str) -> None:
    headers = {"Cookie": f"{COOKIE_NAME}={cookie}"}
    async with (
        aiohttp.ClientSession(site.address) as client,
        client.get("/api/history", headers=headers) as reply,
    ):
        assert reply.status == 200
        assert f"{COOKIE_NAME}={cookie};" not in reply.headers["Set-Cookie"]


async def test_database_knows_a_visitor_only_by_the_cookies_hash(site: Site, browser: aiohttp.ClientSession) -> None:
    await ask(browser, "a boy")
    [cookie] = browser.cookie_jar
    async with site.database.read() as session:
        connection = await session.connection()
        rows = (await connection.exec_driver_sql("SELECT platform, external_id FROM users")).all()
        dump = [
            (await connection.exec_driver_sql(f"SELECT * FROM {table}")).all()
            for table in ("users", "requests", "seen_events")
        ]
    assert [tuple(row) for row in rows] == [("web", hashlib.sha256(cookie.value.encode()).hexdigest())]
    assert cookie.value not in repr(dump)


async def test_looking_around_stores_nobody(site: Site, browser: aiohttp.ClientSession) -> None:
    for address in (
        "/",
        "/api/status",
        "/api/history",
        "/api/consent",
        "/api/requests/01ARZ3NDEKTSV4RRFFQ69G5FAV",
    ):
        async with browser.get(address) as reply:
            assert reply.status in (200, 404)
    async with site.database.read() as session:
        connection = await session.connection()
        assert (await connection.exec_driver_sql("SELECT count(*) FROM users")).scalar() == 0


@pytest.mark.parametrize(
    "address",
    [
        "/static/",
        "/static/../routes.py",
        "/static/%2e%2e/routes.py",
        "/static/..%2froutes.py",
        "/static/no.js",
    ],
)
async def test_static_folder_serves_its_own_files_only(
    site: Site, browser: aiohttp.ClientSession, address: str
) -> None:
    async with browser.get(URL(site.address + address, encoded=True)) as reply:
        assert reply.status in (403, 404)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def test_password_guards_everything_but_the_health_check(make_settings: MakeSettings) -> None:
    async with running_site(make_settings(web_password="größe: 7")) as site, site.browser() as client:
        for address in PAGES:
            async with client.get(address) as reply:
                assert reply.status == (200 if address == security.HEALTH_PATH else 401)
                if reply.status == 401:
                    assert reply.headers["WWW-Authenticate"].startswith('Basic realm="mjprompt"')
                    assert (await reply.json())["error"]["code"] == "password_needed"
        async with client.post("/api/requests", json={"text": "a boy"}) as reply:
            assert reply.status == 401
        assert (await site.service.status()).queue_length == 0


async def test_right_password_opens_the_chat_under_any_user_name(make_settings: MakeSettings) -> None:
    settings, headers = make_settings(web_password="größe: 7"), basic("anybody", "größe: 7")
    async with running_site(settings) as site, site.browser(headers=headers) as client:
        assert (await answer(client, await ask(client, "a boy")))["state"] == "done"


async def test_wrong_passwords_are_refused_after_a_moment(make_settings: MakeSettings) -> None:
    almost = [base64.b64encode(login).decode() for login in (b"secret", b":secret2", b":Secret", b"secret:")]
    headers = ["Basic", "Basic !!!", "Bearer secret", "Basic ö", *(f"Basic {login}" for login in almost)]
    async with running_site(make_settings(web_password="secret")) as site, site.browser() as client:

        async def seconds_until_refused(header: str) -> float:
            started = monotonic()
            async with client.get("/", headers={"Authorization": header}) as reply:
                assert reply.status == 401
            return monotonic() - started

        waits = await asyncio.gather(*map(seconds_until_refused, headers))
    assert min(waits) >= security.WRONG_PASSWORD_DELAY_SECONDS
