"""Bringing one message of the outbox to its place, whatever goes wrong on the way.

    open? ──no──► open placeholder ──► readdress ──► show ──► sent
      └──────────────────yes──────────────────────────┘ └─ gone ─► fall back and again, or failed

An answer only ever enters a message by an edit, and only of a message whose address is stored already. So a bot that
dies before, during or after sending loses nothing and shows no answer twice: the next one edits the same message
again. It knows no platform's markup or addresses.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.cards import Card, placeholder_card, request_card, share_card
from bot.catalog import FALLBACK_LANGUAGE, Catalogs
from bot.gateway import Gateway
from bot.message_locks import MessageLocks
from core.backoff import backoff_seconds
from core.errors import AddressGone, NotFound, PlatformBusy, StorageBusy, StorageError
from core.logs import get_logger
from core.records import Destination, OutboxKind, OutboxMessage, RequestView
from storage import requests
from storage.database import Database
from storage.outbox import Outbox

TIMEOUT_SECONDS = 12.0  # below the time after which a claimed message is claimed again
MAX_AGE = timedelta(hours=24)  # after that the answer stays in /history only
MAX_CRASHES = 4  # tries that end with a fault of ours, about 10 s

log = get_logger(__name__)


class Sender:
    """Sends claimed messages; a message that cannot be sent never keeps another from it."""

    def __init__(
        self,
        outbox: Outbox,
        catalogs: Catalogs,
        database: Database,
        locks: MessageLocks,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._catalogs = catalogs
        self._database = database
        self._locks = locks
        self._timeout_seconds = timeout_seconds

    async def send(self, gateway: Gateway, message: OutboxMessage) -> None:
        """Show what a claimed message holds, or say in its row why not.

        Raises:
            StorageError: the database cannot be used.
        """
        try:
            await self._send_or_postpone(gateway, message)
        except NotFound:
            log.info("message.deleted", **_fields(message))  # its request is gone, and its row with it
        except StorageBusy:
            log.warning("message.storage_busy", **_fields(message))  # it is claimed again when its time has come

    async def _send_or_postpone(self, gateway: Gateway, message: OutboxMessage) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds), self._locks.of(message.id):
                current = await self._outbox.pending(message.id)  # progress may have opened it since it was claimed
                if current is not None:
                    await self._send(gateway, current)
        except PlatformBusy as error:
            await self._postpone(gateway, message, error, error.retry_after_seconds)
        except TimeoutError as error:
            await self._postpone(gateway, message, error, 0.0)
        except (NotFound, StorageBusy, StorageError):
            raise
        except Exception:
            log.exception("message.crashed", **_fields(message))
            await self._give_up_or_retry(message)

    async def _send(self, gateway: Gateway, message: OutboxMessage) -> None:
        async with self._database.read() as session:
            view = await requests.view(session, message.request_id, viewer_id=None)
        card, placeholder = self._cards(message, view)
        destination = message.destination
        while True:
            try:
                if not gateway.is_open(destination):
                    destination = await gateway.open(replace(message, destination=destination), placeholder)
                    if not await self._outbox.readdress(message.id, destination):
                        return  # its request was deleted meanwhile: what was posted holds no answer
                await gateway.show(destination, card)
            except AddressGone as error:
                following = gateway.fall_back(destination)
                if following is None:
                    await self._fail(message, str(error), gateway.without_secrets(destination))
                    return
                log.info("message.falls_back", **_fields(message))
                destination = following
            else:
                await self._outbox.sent(message.id, gateway.without_secrets(destination))
                return

    def _cards(self, message: OutboxMessage, view: RequestView) -> tuple[Card, Card]:
        """Return what the message shows, and its placeholder.

        Raises:
            NotFound: the candidate to be shared is gone.
        """
        language = language_of(message.destination)
        placeholder = placeholder_card(self._catalogs, language, view.idea)
        if message.kind is OutboxKind.ANSWER:
            return request_card(view, self._catalogs, language), placeholder
        for candidate in view.candidates:
            if candidate.id == message.candidate_id:
                return share_card(candidate, view.idea, self._catalogs, language), placeholder
        raise NotFound(f"There is no prompt {message.candidate_id} to share any more.")

    async def _postpone(self, gateway: Gateway, message: OutboxMessage, error: Exception, wait_seconds: float) -> None:
        reason = str(error) or f"No answer from the platform within {self._timeout_seconds:g} s."
        if datetime.now(UTC) - message.created_at > MAX_AGE:
            await self._fail(message, reason, gateway.without_secrets(message.destination))
            return
        wait = max(wait_seconds, backoff_seconds(message.attempts))
        log.info("message.postponed", wait_seconds=wait, **_fields(message))
        await self._outbox.retry(message.id, after_seconds=wait, error=reason)

    async def _give_up_or_retry(self, message: OutboxMessage) -> None:
        """After a fault of ours, which may be over the next time; the address may be what cannot be read."""
        reason = "It could not be drawn."
        if message.attempts < MAX_CRASHES:
            await self._outbox.retry(message.id, after_seconds=backoff_seconds(message.attempts), error=reason)
        else:
            await self._fail(message, reason, {})

    async def _fail(self, message: OutboxMessage, reason: str, destination: Destination) -> None:
        log.warning("message.failed", reason=reason, **_fields(message))
        await self._outbox.failed(message.id, reason, destination)


def language_of(destination: Destination) -> str:
    """Return the language that a message's texts are in."""
    return str(destination.get("language", FALLBACK_LANGUAGE))


def _fields(message: OutboxMessage) -> dict[str, str]:
    return {"message_id": message.id, "request_id": message.request_id, "platform": message.platform.value}
