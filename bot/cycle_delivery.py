"""Messages about cycles of learning: each is posted once, edited while its cycle goes on, and ended with it.

    open? ──no──► open placeholder ──► readdress ──► show ──► looked at again, or sent once the cycle has ended
      └──────────────────yes──────────────────────────┘ └─ gone ─► fall back the next time, or failed

The address is stored before anything but the placeholder is shown, as in bot/sending.py, so that a bot that dies
anywhere leaves one message, which the next one goes on with. It knows no platform's markup or addresses.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.cards import Card, placeholder_card
from bot.catalog import Catalogs
from bot.cycle_planner import CyclePlanner
from bot.cycle_status import CycleStatus, read_status
from bot.cycle_texts import cycle_card, note_card
from bot.gateway import Gateway
from bot.sending import language_of
from core.backoff import backoff_seconds
from core.errors import AddressGone, NotFound, PlatformBusy, StorageBusy, StorageError
from core.logs import get_logger
from core.release_channels import ReleaseChannel
from storage import clock, cycle_messages, cycles, workspaces
from storage.cycle_messages import CycleMessage, CycleMessages
from storage.database import Database
from storage.states import CycleMessageKind

TICK_SECONDS = 1.0
QUIET_SECONDS = 2.0  # between two edits of one message
IDLE_SECONDS = 5.0  # until the next look where nothing had changed
TIMEOUT_SECONDS = 12.0  # below the time after which a claimed message is claimed again
MAX_CONCURRENT = 4
MAX_POSTPONEMENTS = 1440  # in a row, about a day
MAX_CRASHES = 4  # in a row that are faults of ours
NOTE_AGE = timedelta(days=1)  # a promotion longer ago is no news

log = get_logger(__name__)


class CycleDelivery:
    """Keeps the messages about cycles of one database current; `channels` are told of promotions."""

    def __init__(
        self,
        database: Database,
        catalogs: Catalogs,
        planner: CyclePlanner | None,
        channels: Sequence[ReleaseChannel] = (),
    ) -> None:
        self._database = database
        self._catalogs = catalogs
        self._planner = planner
        self._channels = tuple(channels)
        self._messages = CycleMessages(database)

    async def run(self, gateway: Gateway) -> None:
        """Keep one platform's messages current until cancelled.

        Raises:
            StorageError: the database cannot be used.
        """
        while True:
            try:
                await self.tick(gateway)
            except StorageBusy:
                log.warning("cycle_message.storage_busy", platform=gateway.platform.value)
            await asyncio.sleep(TICK_SECONDS)

    async def tick(self, gateway: Gateway) -> None:
        """Write the notes that are due, and bring up to date what is due for a look.

        Raises:
            StorageBusy, StorageError: the database is held by somebody else, or cannot be used.
        """
        await self._write_notes(gateway)
        messages = await self._messages.due(gateway.platform, limit=MAX_CONCURRENT)
        await asyncio.gather(*(self._look_at(gateway, message) for message in messages))

    async def _write_notes(self, gateway: Gateway) -> None:
        """Put a note on its way for each new promotion and channel; its key keeps it from coming twice."""
        channels = [channel for channel in self._channels if channel.platform is gateway.platform]
        if not channels:
            return
        async with self._database.read() as session:
            promoted = await cycle_messages.promoted_since(session, clock.utc_now() - NOTE_AGE)
            wanted = {_note_key(cycle.id, channel): (cycle, channel) for cycle in promoted for channel in channels}
            known = await cycle_messages.known_keys(session, gateway.platform, wanted)
        for key in wanted.keys() - known:
            cycle, channel = wanted[key]
            destination = gateway.at_channel(channel, language=await self._language(channel))
            async with self._database.write() as session:
                await cycle_messages.add(
                    session,
                    cycle_id=cycle.id,
                    platform=gateway.platform,
                    key=key,
                    kind=CycleMessageKind.NOTE,
                    destination=destination,
                )

    async def _language(self, channel: ReleaseChannel) -> str:
        async with self._database.read() as session:
            settings = await workspaces.settings_of(session, channel.platform, channel.workspace_id)
        return self._catalogs.language(settings.language)

    async def _look_at(self, gateway: Gateway, message: CycleMessage) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._bring_up_to_date(gateway, message)
        except (NotFound, StorageBusy) as error:  # gone with its cycle or person; else it is claimed again
            log.info("cycle_message.missed", reason=type(error).__name__, **_fields(message))
        except StorageError:
            raise
        except AddressGone as error:
            await self._fall_back(gateway, message, str(error))
        except (PlatformBusy, TimeoutError) as error:
            wait_seconds = error.retry_after_seconds if isinstance(error, PlatformBusy) else 0.0
            reason = str(error) or "No answer from the platform in time."
            await self._retry(message, reason, wait_seconds=wait_seconds, max_attempts=MAX_POSTPONEMENTS)
        except Exception:
            log.exception("cycle_message.crashed", **_fields(message))
            await self._retry(message, "It could not be drawn.", wait_seconds=0.0, max_attempts=MAX_CRASHES)

    async def _bring_up_to_date(self, gateway: Gateway, message: CycleMessage) -> None:
        status = await self._status(message)
        language = language_of(message.destination)
        card = self._card(message, status, language)
        mark = _mark(card)
        destination = message.destination
        if message.shown != mark:
            if not gateway.is_open(destination):
                placeholder = placeholder_card(self._catalogs, language, card.title)
                destination = await gateway.open(replace(message, destination=destination), placeholder)
                if not await self._messages.readdress(message.id, destination):
                    return  # its cycle or its person is gone: what was posted says nothing
            await gateway.show(destination, card)
        if message.kind is CycleMessageKind.NOTE or not status.cycle.state.is_open:
            await self._messages.sent(message.id, mark, gateway.without_secrets(destination))
        else:
            wait_seconds = IDLE_SECONDS if message.shown == mark else QUIET_SECONDS
            await self._messages.shown(message.id, mark, next_look_seconds=wait_seconds)

    async def _status(self, message: CycleMessage) -> CycleStatus:
        async with self._database.read() as session:
            return await read_status(session, await cycles.view(session, message.cycle_id), self._planner)

    def _card(self, message: CycleMessage, status: CycleStatus, language: str) -> Card:
        make = note_card if message.kind is CycleMessageKind.NOTE else cycle_card
        return make(status, self._catalogs, language)

    async def _fall_back(self, gateway: Gateway, message: CycleMessage, reason: str) -> None:
        """Go on at the next address down; a note has none, since a channel was chosen for it."""
        following = gateway.fall_back(message.destination) if message.kind is CycleMessageKind.LIVE else None
        if following is None:
            await self._fail(message, reason)
            return
        log.info("cycle_message.falls_back", **_fields(message))
        await self._messages.readdress(message.id, following)
        await self._messages.shown(message.id, None, next_look_seconds=0.0)

    async def _retry(self, message: CycleMessage, reason: str, *, wait_seconds: float, max_attempts: int) -> None:
        if message.attempts >= max_attempts:
            await self._fail(message, reason)
            return
        wait = max(wait_seconds, backoff_seconds(message.attempts))
        log.info("cycle_message.postponed", wait_seconds=wait, **_fields(message))
        await self._messages.retry(message.id, after_seconds=wait, error=reason)

    async def _fail(self, message: CycleMessage, reason: str) -> None:
        log.warning("cycle_message.failed", reason=reason, **_fields(message))
        await self._messages.failed(message.id, reason, {})


def _mark(card: Card) -> str:
    """Return what tells one look of a message from another."""
    return hashlib.sha256(repr(card).encode()).hexdigest()


def _note_key(cycle_id: str, channel: ReleaseChannel) -> str:
    return f"note:{cycle_id}:{channel.workspace_id or ''}:{channel.channel_id}"


def _fields(message: CycleMessage) -> dict[str, str]:
    return {"message_id": message.id, "cycle": message.cycle_id, "platform": message.platform.value}
