"""Answers that only one person sees.

A command's answer goes back with the acknowledgement while that is open, then by its `response_url` (30 minutes, five
uses), then as an ephemeral message in the channel, and where the bot cannot write there, as a direct message.
"""

from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.slack.api_errors import translated_errors
from bot.slack.blocks import QUIET, UNPARSED, sentence
from bot.slack.call import Call, CallKind
from bot.slack.clients import WorkspaceClients
from bot.slack.sdk_logs import sdk_logger
from core.errors import AddressGone, PlatformBusy
from core.logs import get_logger

Message = Mapping[str, Any]
log = get_logger(__name__)


class Replies:
    """Private answers over the workspaces' clients and one HTTP session."""

    def __init__(self, clients: WorkspaceClients, session: aiohttp.ClientSession) -> None:
        self._clients = clients
        self._session = session

    async def say(self, call: Call, text: str) -> None:
        """Say one plain sentence to the person."""
        await self.show(call, sentence(text))

    async def show(self, call: Call, message: Message, *, is_replacing: bool = False) -> None:
        """Show a message to the person alone, in place of the private message they pressed on where asked to.

        Raises:
            AddressGone, PlatformBusy: no way leads to the person now.
        """
        if call.kind is CallKind.COMMAND and not call.acknowledge.is_done:
            await call.acknowledge({"response_type": "ephemeral", **message})
            return
        await call.acknowledge()
        if not await self._by_response_url(call, message, is_replacing=is_replacing):
            await self._by_message(call, message)

    async def directly(self, call: Call, message: Message) -> None:
        """Write to the person alone, where they can find it again.

        Raises:
            AddressGone, PlatformBusy: as bot.slack.api_errors says.
        """
        client = await self._clients.of(call.workspace)
        with translated_errors("chat.postMessage"):
            await client.chat_postMessage(channel=call.user_id, **message, **QUIET)

    async def _by_response_url(self, call: Call, message: Message, *, is_replacing: bool) -> bool:
        if call.response_url is None:
            return False
        webhook = AsyncWebhookClient(call.response_url, session=self._session, logger=sdk_logger())
        body = {**message, "response_type": "ephemeral", "replace_original": is_replacing}
        try:
            answer = await webhook.send_dict(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.info("slack.response_url_failed", error=type(error).__name__)
            return False
        if answer.status_code != 200:
            log.info("slack.response_url_refused", status=answer.status_code)
        return answer.status_code == 200

    async def _by_message(self, call: Call, message: Message) -> None:
        if call.channel_id is not None:
            try:
                await self._ephemerally(call, call.channel_id, message)
                return
            except (AddressGone, PlatformBusy) as error:
                log.info("slack.ephemeral_refused", reason=str(error))
        await self.directly(call, message)

    async def _ephemerally(self, call: Call, channel_id: str, message: Message) -> None:
        client = await self._clients.of(call.workspace)
        with translated_errors("chat.postEphemeral"):
            await client.chat_postEphemeral(channel=channel_id, user=call.user_id, **message, **UNPARSED)
