"""The chats beside the web: what one of them cannot do now, it does later."""

import asyncio
from pathlib import Path

import pytest

from app.chats import keep_delivering, running_chats
from bot.delivery import Delivery
from bot.services import open_services
from core.errors import StorageError
from core.settings import load_settings
from storage import migrations
from storage.database import open_database
from storage.queue import SqlQueue
from tests.fakes.discord.server import FakeDiscord


class FaultyDelivery(Delivery):
    """Ends with a full disk the first time, and runs from then on."""

    def __init__(self) -> None:
        self.num_runs = 0
        self.is_running = asyncio.Event()

    async def run(self) -> None:
        self.num_runs += 1
        if self.num_runs == 1:
            raise ExceptionGroup("delivery", [StorageError("The disk is full.")])
        self.is_running.set()
        await asyncio.Event().wait()


async def test_delivery_goes_on_after_a_fault_of_the_database() -> None:
    """A disk that was full for a moment used to end the delivery, while asks were still taken in."""
    delivery = FaultyDelivery()
    serving = asyncio.create_task(keep_delivering(delivery, "Discord"))
    async with asyncio.timeout(10):
        await delivery.is_running.wait()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert (delivery.num_runs, serving.cancelled()) == (2, True)


@pytest.mark.parametrize(
    ("code", "said"), [(4004, "not connected: DISCORD_TOKEN is not taken"), (4013, "connected as")]
)
async def test_a_connection_that_ends_for_good_is_told_or_started_again(tmp_path: Path, code: int, said: str) -> None:
    """It used to be logged only: the bot was gone from Discord until somebody restarted it."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'chats.db'}"
    await asyncio.to_thread(migrations.upgrade, url)
    async with FakeDiscord() as discord:
        settings = load_settings(
            _env_file=None,
            database_url=url,
            discord_token=discord.token,
            discord_api_base=discord.api_base,
            discord_gateway_url=discord.gateway_url,
        )
        database = open_database(url)
        services = open_services(database, SqlQueue(database, lease_seconds=30, max_attempts=2), settings)
        lines: list[str] = []
        async with running_chats(services, database, lambda label, text: lines.append(f"{label} {text}")):
            await discord.wait_for(lambda: len(lines) == 1, what="the first line")
            await discord.drop_connections(code=code)
            await discord.wait_for(lambda: len(lines) == 2, timeout_seconds=20, what="the second line")
        await database.close()
    assert lines[0] == "Discord connected as mjprompt"
    assert lines[1].startswith(f"Discord {said}")
