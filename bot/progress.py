"""Progress in the messages of open requests: place in the line and wait, as far as the platforms' limits allow.

Where a platform's acknowledgement made no message, the first look posts it. It is best effort: a mark that is missed is
followed by the next one, and by the answer at last. It never touches a message whose request has ended.
"""

import asyncio

from bot.cards import placeholder_card, request_card
from bot.catalog import Catalogs
from bot.gateway import Gateway
from bot.message_locks import MessageLocks
from bot.sending import language_of
from bot.watcher import progress_mark
from core.errors import AddressGone, NotFound, PlatformBusy, StorageBusy, StorageError
from core.logs import get_logger
from core.records import OutboxMessage
from storage import requests
from storage.database import Database
from storage.outbox import Outbox

MAX_EDITS_PER_SECOND = 5  # of all platforms together
TICK_SECONDS = 1.0
QUIET_SECONDS = 3.0  # between two edits of one message
EDIT_TIMEOUT_SECONDS = 5.0

log = get_logger(__name__)


class Progress:
    """Edits progress into messages; `num_platforms` share the edits of a second."""

    def __init__(
        self, outbox: Outbox, catalogs: Catalogs, database: Database, locks: MessageLocks, *, num_platforms: int
    ) -> None:
        self._outbox = outbox
        self._catalogs = catalogs
        self._database = database
        self._locks = locks
        self._edits_a_tick = max(1, MAX_EDITS_PER_SECOND // max(1, num_platforms))
        self._edited_at: dict[str, float] = {}  # by message id, on the loop's clock

    async def run(self, gateway: Gateway) -> None:
        """Keep one platform's messages current until cancelled.

        Raises:
            StorageError: the database cannot be used.
        """
        while True:
            wait_seconds = await self.tick(gateway)
            await asyncio.sleep(max(TICK_SECONDS, wait_seconds))

    async def tick(self, gateway: Gateway) -> float:
        """Look at the messages that were not looked at for longest; return how long the platform asks to wait."""
        try:
            messages = await self._outbox.waiting([gateway.platform], limit=self._edits_a_tick)
        except StorageBusy:
            return 0.0
        waits = await asyncio.gather(*(self._look_at(gateway, message) for message in messages))
        return max(waits, default=0.0)

    async def _look_at(self, gateway: Gateway, message: OutboxMessage) -> float:
        try:
            async with asyncio.timeout(EDIT_TIMEOUT_SECONDS), self._locks.of(message.id):
                await self._edit(gateway, message)
        except PlatformBusy as error:
            return error.retry_after_seconds
        except (AddressGone, NotFound, StorageBusy, TimeoutError) as error:
            log.info("progress.missed", message_id=message.id, reason=type(error).__name__)
        except StorageError:
            raise
        except Exception:
            log.exception("progress.crashed", message_id=message.id)
        return 0.0

    async def _edit(self, gateway: Gateway, message: OutboxMessage) -> None:
        """Show where the request stands, read under the lock: one that has ended belongs to its answer."""
        if not self._is_quiet(message.id):
            return
        async with self._database.read() as session:
            view = await requests.view(session, message.request_id, viewer_id=None)
        mark = progress_mark(view)
        if view.state.is_final or mark == message.shown:
            return
        self._edited_at[message.id] = asyncio.get_running_loop().time()  # an edit that fails is none to repeat at once
        destination, language = message.destination, language_of(message.destination)
        if not gateway.is_open(destination):
            destination = await gateway.open(message, placeholder_card(self._catalogs, language, view.idea))
            if not await self._outbox.readdress(message.id, destination):
                return
        await gateway.show(destination, request_card(view, self._catalogs, language))
        await self._outbox.shown(message.id, mark)

    def _is_quiet(self, message_id: str) -> bool:
        now = asyncio.get_running_loop().time()
        self._edited_at = {key: at for key, at in self._edited_at.items() if now - at < QUIET_SECONDS}
        return message_id not in self._edited_at
