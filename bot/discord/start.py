"""Connecting to Discord and leaving again; the addresses come from the settings, so that tests can bring their own.

discord.py reconnects and resumes by itself from then on. It does not know what else runs beside it.
"""

import asyncio
import logging

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.discord.client import DiscordBot
from bot.discord.errors import translated
from bot.discord.gateway import DiscordGateway
from bot.gateway import Gateway
from bot.services import Services
from core.errors import AddressGone, ConfigError, PlatformBusy
from core.settings import Settings

_READY_SECONDS = 30.0
_CURE = "copy the bot's token again from the Discord developer portal"


def point_at(settings: Settings) -> None:
    """Have discord.py talk to the addresses in the settings; it keeps them for the whole process."""
    base = settings.discord_api_base.rstrip("/")
    if base != Route.BASE:
        Route.BASE = base
    if settings.discord_gateway_url is not None:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway_url)


class DiscordChat:
    """The product on Discord: started once Discord can be reached, with a gateway for delivery from the beginning."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._services = services
        self._settings = settings
        self._bot: DiscordBot | None = None
        self._connection: asyncio.Task[None] | None = None
        self._gateway = DiscordGateway(self._connected, services.catalogs)

    @property
    def gateway(self) -> Gateway:
        return self._gateway

    async def start(self) -> str:
        """Connect; return who the bot is there, once events come in.

        Raises:
            ConfigError: Discord does not take the token, or the settings have none.
            PlatformBusy: Discord cannot be reached now; start again later.
        """
        logging.getLogger("discord").setLevel(logging.WARNING)  # below that it names addresses with tokens in them
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody is missing a voice here
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nothing here speaks
        point_at(self._settings)
        bot = DiscordBot(self._services)
        try:
            await self._login(bot)
            self._connection = asyncio.create_task(bot.connect(reconnect=True))
            await self._ready(bot, self._connection)
        except BaseException:
            await self._leave(bot)
            raise
        self._bot = bot
        return str(bot.user)

    async def ended(self) -> None:
        """Wait until the connection has ended for good, which discord.py lets it only when trying again is useless.

        Raises:
            ConfigError: Discord does not take the token any more.
            PlatformBusy: it ended for another reason; start again later.
        """
        connection = self._connection
        if connection is None:
            raise PlatformBusy("Discord is not connected; trying again.")
        await asyncio.wait({connection})
        await self.close()
        _raise_why_ended(connection)
        raise PlatformBusy("Discord's connection was closed; trying again.")

    async def close(self) -> None:
        """Leave Discord; what is in the outbox stays there for the next start."""
        if self._bot is not None:
            bot, self._bot = self._bot, None
            await self._leave(bot)

    async def _login(self, bot: DiscordBot) -> None:
        token = self._settings.discord_token
        if token is None:
            raise ConfigError(f"DISCORD_TOKEN is empty; {_CURE}.")
        try:
            with translated():
                await bot.login(token.get_secret_value())
        except (discord.LoginFailure, ValueError) as error:
            raise ConfigError(f"DISCORD_TOKEN is not taken by Discord; {_CURE}.") from error
        except AddressGone as error:
            raise PlatformBusy("Discord lets nobody in now; trying again.") from error

    async def _ready(self, bot: DiscordBot, connection: asyncio.Task[None]) -> None:
        ready = asyncio.create_task(bot.wait_until_ready())
        try:
            await asyncio.wait({ready, connection}, timeout=_READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if connection.done():
            _raise_why_ended(connection)
        if not bot.is_ready():
            raise PlatformBusy(f"Discord let nobody in within {_READY_SECONDS:g} s; trying again.")

    async def _leave(self, bot: DiscordBot) -> None:
        connection, self._connection = self._connection, None
        if not bot.is_closed():
            await bot.close()
        if connection is not None:
            connection.cancel()
            await asyncio.wait({connection})

    def _connected(self) -> discord.Client:
        if self._bot is None:
            raise PlatformBusy("Discord is not connected yet; trying again.")
        return self._bot


def _raise_why_ended(connection: asyncio.Task[None]) -> None:
    error = None if connection.cancelled() else connection.exception()
    if isinstance(error, discord.ConnectionClosed) and error.code == 4004:
        raise ConfigError(f"DISCORD_TOKEN is not taken by Discord; {_CURE}.") from error
    if isinstance(error, (discord.DiscordException, aiohttp.ClientError, OSError)):
        raise PlatformBusy("Discord ended the connection; trying again.") from error
    if error is not None:
        raise error
