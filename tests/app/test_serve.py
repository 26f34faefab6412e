"""The greeting of `mjprompt run` when something goes wrong that nobody thought of."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from structlog.testing import capture_logs

from app.serve import Chat, greet
from app.storage_at_start import open_writable
from bot.service import ChatService, ServiceStatus
from bot.services import open_services
from bot.watcher import RequestWatcher
from core.settings import Settings, load_settings
from storage import clock


class BrokenService(ChatService):
    """Has a mistake in it."""

    async def status(self) -> ServiceStatus:
        raise RuntimeError("a mistake")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(_env_file=None, database_url=f"sqlite+aiosqlite:///{tmp_path}/serve.db")


@pytest.fixture
async def chat(settings: Settings) -> AsyncIterator[Chat]:
    database, queue = await open_writable(settings)
    services = replace(open_services(database, queue, settings), chat=BrokenService(database, queue, settings))
    watcher = RequestWatcher(database)
    yield Chat(services=services, database=database, watcher=watcher, queue=queue, address="http://here")
    await database.close()


async def test_mistake_in_the_first_answer_is_logged_and_nothing_called_ready(settings: Settings, chat: Chat) -> None:
    console = Console(file=io.StringIO())
    with capture_logs() as logs:
        await greet(settings, console, chat, clock.utc_now())
    assert [(entry["event"], str(entry["exc_info"])) for entry in logs] == [("warm_up.crashed", "a mistake")]
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [line[:10] for line in lines] == ["Model     ", "Not ready "]
