"""A real web chat on loopback over a real SQLite file, with a worker that needs no model."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from bot.cycle_planner import CyclePlanner
from bot.service import ChatService
from bot.services import Services, open_services
from bot.watcher import RequestWatcher
from bot.web.application import create_app, start_site
from core.settings import Settings, load_settings
from storage import migrations
from storage.database import Database, open_database
from storage.queue import SqlQueue
from tests.bot.chat_page import ChatPage, open_chat
from tests.bot.chromium import running_chromium
from tests.bot.fake_planner import FakePlanner
from tests.bot.fake_worker import FakeWorker
from tests.bot.shared_texts import texts_read_once  # noqa: F401 - a fixture

MakeSettings = Callable[..., Settings]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run this folder's async tests on one event loop, so that they can share one Chromium."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated database file that tests copy, because migrating takes longer than copying."""
    file = tmp_path_factory.mktemp("database") / "empty.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{file}")
    return file


@pytest.fixture
def make_settings(tmp_path: Path, empty_database: Path) -> MakeSettings:
    """Return a maker of settings over one fresh database, on any free port, untouched by the environment."""
    file = Path(shutil.copy(empty_database, tmp_path / "chat.db"))

    def make(**overrides: object) -> Settings:
        defaults: dict[str, object] = {
            "database_url": f"sqlite+aiosqlite:///{file}",
            "web_port": 0,
            "web_password": None,
        }
        return load_settings(_env_file=None, **(defaults | overrides))

    return make


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running web chat."""

    port: int
    settings: Settings
    database: Database
    queue: SqlQueue
    services: Services
    watcher: RequestWatcher
    worker: FakeWorker

    @property
    def service(self) -> ChatService:
        return self.services.chat

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def browser(self, **options: Any) -> aiohttp.ClientSession:
        """Return a client that keeps cookies for a bare address, as a browser does."""
        jar = aiohttp.CookieJar(unsafe=True)
        return aiohttp.ClientSession(self.address, cookie_jar=jar, **options)


@asynccontextmanager
async def running_site(settings: Settings, planner: CyclePlanner | None = None) -> AsyncIterator[Site]:
    """Serve a web chat with a worker until left; without a `planner`, there is one that finds enough votes."""
    database = open_database(settings.database_url)
    queue = SqlQueue(database, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts)
    services = open_services(database, queue, settings, planner=planner or FakePlanner())
    watcher = RequestWatcher(database)
    runner, port = await start_site(create_app(services, watcher), settings)
    try:
        async with FakeWorker(database, queue) as worker:
            yield Site(
                port=port,
                settings=settings,
                database=database,
                queue=queue,
                services=services,
                watcher=watcher,
                worker=worker,
            )
    finally:
        await runner.cleanup()
        await database.close()


@pytest_asyncio.fixture(loop_scope="session")
async def site(make_settings: MakeSettings) -> AsyncIterator[Site]:
    async with running_site(make_settings()) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def browser(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    async with site.browser() as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with running_chromium() as chromium:
        yield chromium


@pytest_asyncio.fixture(loop_scope="session")
async def chat(site: Site, chromium: Browser) -> AsyncIterator[ChatPage]:
    async with open_chat(chromium, site.address) as chat:
        yield chat


async def answer(client: aiohttp.ClientSession, request: dict[str, Any]) -> dict[str, Any]:
    """Follow a request by long polling until it has ended, as the page does."""
    async with asyncio.timeout(30):
        while request["state"] in ("queued", "running"):
            query = {"seen": request["seen"], "wait": "25"}
            async with client.get(f"/api/requests/{request['id']}", params=query) as reply:
                assert reply.status == 200
                request = await reply.json()
    return request


async def ask(client: aiohttp.ClientSession, text: str, **headers: str) -> dict[str, Any]:
    """Ask through the API and return the request as it was taken in."""
    async with client.post("/api/requests", json={"text": text}, headers=headers) as reply:
        assert reply.status == 202, await reply.text()
        request: dict[str, Any] = await reply.json()
    return request


async def error_of(reply: aiohttp.ClientResponse) -> dict[str, str]:
    """Return a reply's error after checking the form that every error has."""
    body = await reply.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    message = body["error"]["message"]
    assert message.strip()
    assert "\n" not in message
    assert "Traceback" not in message
    assert len(message) < 500
    error: dict[str, str] = body["error"]
    return error
