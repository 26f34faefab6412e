"""Delivering until cancelled: answers and shares when they are due, progress meanwhile, and how learning goes.

Each platform is served by tasks of its own, so that a slow or failing one holds up no other. What happens to one
message is in bot/sending.py, and to one about a cycle of learning in bot/cycle_delivery.py.
"""

import asyncio
from collections.abc import Sequence

from bot.cycle_delivery import CycleDelivery
from bot.gateway import Gateway
from bot.message_locks import MessageLocks
from bot.progress import Progress
from bot.sending import Sender
from bot.services import Services
from core.errors import StorageBusy
from core.logs import get_logger
from core.records import OutboxMessage
from core.release_channels import read_release_channels
from storage.database import Database
from storage.outbox import Outbox

MAX_CONCURRENT = 8  # messages of one platform at a time
POLL_INTERVAL_SECONDS = 0.25

log = get_logger(__name__)


class Delivery:
    """Brings the outbox's messages to their platforms."""

    def __init__(self, outbox: Outbox, services: Services, gateways: Sequence[Gateway], database: Database) -> None:
        locks = MessageLocks()
        self._outbox = outbox
        self._gateways = tuple(gateways)
        self._sender = Sender(outbox, services.catalogs, database, locks)
        self._cycles = CycleDelivery(
            database,
            services.catalogs,
            services.learning.planner,
            read_release_channels(services.settings.release_notes),
        )
        self._progress = Progress(outbox, services.catalogs, database, locks, num_platforms=len(self._gateways))

    async def run(self) -> None:
        """Deliver until cancelled; what is half done then is done again by whoever runs next.

        Raises:
            ExceptionGroup: of one StorageError, the database cannot be used.
        """
        async with asyncio.TaskGroup() as tasks:
            for gateway in self._gateways:
                tasks.create_task(self._serve(gateway), name=f"delivery to {gateway.platform}")
                tasks.create_task(self._progress.run(gateway), name=f"progress on {gateway.platform}")
                tasks.create_task(self._cycles.run(gateway), name=f"cycles on {gateway.platform}")

    async def deliver_due(self) -> int:
        """Deliver what is due by now; return how many messages were tried."""
        return sum(await asyncio.gather(*(self._deliver_due_on(gateway) for gateway in self._gateways)))

    async def _deliver_due_on(self, gateway: Gateway) -> int:
        num_tried = 0
        while messages := await self._claimed(gateway, limit=MAX_CONCURRENT):
            await asyncio.gather(*(self._sender.send(gateway, message) for message in messages))
            num_tried += len(messages)
        return num_tried

    async def _serve(self, gateway: Gateway) -> None:
        """Keep up to MAX_CONCURRENT messages of one platform on their way; a slow one takes up only its own place."""
        on_their_way: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for message in await self._claimed(gateway, limit=MAX_CONCURRENT - len(on_their_way)):
                    sending = tasks.create_task(self._sender.send(gateway, message), name=f"send {message.id}")
                    on_their_way.add(sending)
                    sending.add_done_callback(on_their_way.discard)
                if len(on_their_way) < MAX_CONCURRENT:
                    await asyncio.sleep(POLL_INTERVAL_SECONDS)
                else:
                    await asyncio.wait(on_their_way, return_when=asyncio.FIRST_COMPLETED)

    async def _claimed(self, gateway: Gateway, *, limit: int) -> list[OutboxMessage]:
        try:
            return await self._outbox.due([gateway.platform], limit=limit)
        except StorageBusy:
            log.warning("delivery.storage_busy", platform=gateway.platform.value)
            return []
