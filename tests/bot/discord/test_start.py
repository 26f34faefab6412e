"""Starting on Discord: a bad token and an address that nobody answers are told apart, in one sentence."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import yarl
from aiohttp import web
from discord.gateway import DiscordWebSocket
from discord.http import Route
from pydantic import SecretStr

from bot.cards import Card
from bot.discord.mode import is_configured
from bot.discord.start import DiscordChat, point_at
from bot.services import Services, open_services
from core.errors import ConfigError, PlatformBusy
from core.settings import Settings
from storage.database import Database
from storage.queue import SqlQueue


@pytest.fixture(autouse=True)
def addresses() -> Iterator[None]:
    """Put Discord's own addresses back: discord.py keeps them for the whole process."""
    base, gateway = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    yield
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = base, gateway


@pytest_asyncio.fixture(loop_scope="session")
async def services(database: Database, discord_settings: Settings) -> Services:
    return open_services(database, SqlQueue(database, lease_seconds=30, max_attempts=3), discord_settings)


@pytest_asyncio.fixture(loop_scope="session")
async def refusing_discord() -> AsyncIterator[str]:
    """Serve a Discord that takes no token; yield its address."""

    async def refuse(_: web.Request) -> web.Response:
        body = b'{"code": 0, "message": "401: Unauthorized"}'
        return web.Response(status=401, body=body, content_type="application/json")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/v10"
    await runner.cleanup()


def with_discord(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={"discord_token": SecretStr("canary-token"), **changes})


def test_discord_is_configured_by_its_token(discord_settings: Settings) -> None:
    assert not is_configured(discord_settings)
    assert is_configured(with_discord(discord_settings))


def test_addresses_come_from_the_settings(discord_settings: Settings) -> None:
    point_at(with_discord(discord_settings, discord_api_base="http://x/api/", discord_gateway_url="ws://x/gateway"))
    assert Route.BASE == "http://x/api"
    assert yarl.URL("ws://x/gateway") == DiscordWebSocket.DEFAULT_GATEWAY


async def test_token_that_discord_refuses_is_named_without_being_shown(
    services: Services, discord_settings: Settings, refusing_discord: str
) -> None:
    chat = DiscordChat(services, with_discord(discord_settings, discord_api_base=refusing_discord))
    with pytest.raises(ConfigError, match="DISCORD_TOKEN") as caught:
        await chat.start()
    assert "canary-token" not in str(caught.value)
    await chat.close()


async def test_discord_that_cannot_be_reached_is_tried_again_later(
    services: Services, discord_settings: Settings
) -> None:
    chat = DiscordChat(services, with_discord(discord_settings, discord_api_base="http://127.0.0.1:1/api"))
    for _ in range(2):
        with pytest.raises(PlatformBusy):
            await chat.start()


async def test_gateway_waits_while_discord_is_not_connected(services: Services, discord_settings: Settings) -> None:
    gateway = DiscordChat(services, with_discord(discord_settings)).gateway
    destination = {"route": "direct", "language": "en", "user_id": "1", "channel_id": "2", "message_id": "3"}
    with pytest.raises(PlatformBusy):
        await gateway.show(destination, Card(title="x"))
