"""Socket Mode: the WebSocket that the bot opens, and opening it again quickly when it breaks.

Slack's SDK notices a connection that was cut without a closing frame only at its next ping, ten seconds later at worst;
here it is looked at twice a second.
"""

import asyncio
import contextlib

import aiohttp
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.slack.api_errors import translated_errors
from bot.slack.sdk_logs import sdk_logger
from core.errors import AddressGone, ConfigError, PlatformBusy
from core.logs import get_logger

LOOK_SECONDS = 0.5
CONNECT_SECONDS = 10.0
log = get_logger(__name__)


class Socket:
    """One Socket Mode connection of the app."""

    def __init__(self, app: AsyncApp, app_token: str) -> None:
        self._handler = AsyncSocketModeHandler(app, app_token, logger=sdk_logger())
        self._watch: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            ConfigError: Slack does not take SLACK_APP_TOKEN.
            PlatformBusy: Slack cannot be reached now.
        """
        client = self._handler.client
        client.wss_uri = await self._address()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.connect()
        except TimeoutError as error:
            raise PlatformBusy("Slack's Socket Mode cannot be reached; it is tried again.") from error
        self._watch = asyncio.create_task(self._reconnect_at_once(), name="watch Slack's socket")

    async def close(self) -> None:
        """Disconnect; nothing comes in any more."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        client = self._handler.client
        await client.close()
        parts = (client.message_processor, client.message_receiver, client.current_session_monitor)
        await asyncio.gather(*(part for part in parts if part is not None), return_exceptions=True)

    async def _address(self) -> str:
        client = self._handler.client
        try:
            with translated_errors("apps.connections.open"):
                answer = await client.web_client.apps_connections_open(app_token=client.app_token)
        except AddressGone as error:
            raise ConfigError(
                f"SLACK_APP_TOKEN is not taken ({error}) Make one with the scope connections:write on the app's "
                "Basic Information page, and enable Socket Mode."
            ) from error
        return str(answer["url"])

    async def _reconnect_at_once(self) -> None:
        client = self._handler.client
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            session = client.current_session
            if session is None or not session.closed:
                continue
            log.info("slack.reconnecting")
            with contextlib.suppress(SlackApiError, aiohttp.ClientError, TimeoutError, OSError):
                await client.connect_to_new_endpoint()
