"""Discord and Slack beside the web chat: each configured one is connected, then fed from the outbox.

A platform that refuses or cannot be reached is told in one line, and neither the web chat nor the other platform waits
for it. The libraries of one that is not configured are not imported: they take half a second.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from bot.delivery import Delivery
from bot.discord import mode as discord_mode
from bot.gateway import Gateway
from bot.services import Services
from bot.slack import mode as slack_mode
from core.backoff import backoff_seconds
from core.errors import ConfigError, PermanentError, PlatformBusy
from core.logs import get_logger
from storage.database import Database
from storage.outbox import Outbox

Say = Callable[[str, str], None]  # a label and a text for the person who started the program

log = get_logger(__name__)


class ChatPlatform(Protocol):
    """One platform's connection."""

    @property
    def gateway(self) -> Gateway: ...

    async def start(self) -> str:
        """Connect; return who the bot is connected as.

        Raises:
            ConfigError: a setting is missing or refused.
            PlatformBusy: the platform cannot be reached now.
        """
        ...

    async def ended(self) -> None:
        """Wait, for ever where the SDK reconnects by itself, until the connection has ended for good.

        Raises:
            ConfigError: a setting is refused from now on.
            PlatformBusy: it can be started again.
        """
        ...

    async def close(self) -> None: ...


@asynccontextmanager
async def running_chats(services: Services, database: Database, say: Say) -> AsyncIterator[None]:
    """Serve every configured platform while the block runs."""
    chats = _configured(services, database, say)
    serving = [
        asyncio.create_task(_serve(chat, services, database, say), name=f"serve {chat.gateway.platform}")
        for chat in chats
    ]
    try:
        yield
    finally:
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.gather(*(chat.close() for chat in chats), return_exceptions=True)


def _configured(services: Services, database: Database, say: Say) -> list[ChatPlatform]:
    settings = services.settings
    chats: list[ChatPlatform] = []
    if discord_mode.is_configured(settings):
        from bot.discord.start import DiscordChat

        chats.append(DiscordChat(services, settings))
    try:
        if slack_mode.is_configured(settings):
            from bot.slack.start import SlackChat

            chats.append(SlackChat(services, settings, database))
    except ConfigError as error:
        _say_refused("Slack", error, say)
    return chats


async def _serve(chat: ChatPlatform, services: Services, database: Database, say: Say) -> None:
    label = chat.gateway.platform.value.capitalize()
    delivery = Delivery(Outbox(database), services, [chat.gateway], database)
    try:
        while True:
            say(label, f"connected as {await _connected(chat, label, say)}")
            await _serve_connected(chat, delivery, label)
    except PermanentError as error:
        _say_refused(label, error, say)
    except Exception:
        log.exception("chat.crashed", platform=label)
        say(label, "not connected: it stopped with a fault; the log has the details")


async def _serve_connected(chat: ChatPlatform, delivery: Delivery, label: str) -> None:
    """Deliver until the connection has ended for good and can be started again."""
    delivering = asyncio.create_task(keep_delivering(delivery, label), name=f"deliver to {label}")
    try:
        await chat.ended()
    except PlatformBusy as error:
        log.warning("chat.ended", platform=label, error=str(error))
    finally:
        delivering.cancel()
        await asyncio.wait({delivering})


def _say_refused(label: str, error: PermanentError, say: Say) -> None:
    log.error("chat.stopped", platform=label, error=str(error))
    say(label, f"not connected: {error}")


async def keep_delivering(delivery: Delivery, label: str) -> None:
    """Deliver until cancelled; after a fault, such as a full disk, what waits in the outbox is tried again."""
    failures = 0
    while True:
        try:
            await delivery.run()
        except Exception:
            failures += 1
            log.exception("delivery.crashed", platform=label, failures=failures)
        await asyncio.sleep(backoff_seconds(failures))


async def _connected(chat: ChatPlatform, label: str, say: Say) -> str:
    """Connect, again and again while the platform cannot be reached; the first failure is said."""
    failures = 0
    while True:
        try:
            return await chat.start()
        except PlatformBusy as error:
            failures += 1
            log.warning("chat.unreachable", platform=label, error=str(error), failures=failures)
            if failures == 1:
                say(label, f"not connected yet: {error}")
            await asyncio.sleep(max(error.retry_after_seconds, backoff_seconds(failures)))
