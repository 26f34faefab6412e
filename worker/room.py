"""What a training on the same GPU asks of this worker: to serve in NF4, or to leave the GPU for a while.

Another form of the model is loaded by a fresh process alone, which gives back all memory for sure. It does not know
how much memory anybody needs.
"""

import socket
from collections.abc import Callable, Collection

from core.cycles import Room
from core.errors import MjpromptError
from core.logs import get_logger
from core.records import ModelInfo
from core.settings import Settings
from storage import room
from storage.database import Database

LOOK_SECONDS = 2.0
HOLD_SECONDS = 120.0  # what a request has left at least while nobody can answer: more than a model takes to load
log = get_logger(__name__)


class GivenRoom:
    """The room that this process gives, from its start to its end; `wanted` is what is asked for at present.

    `givable` says what it can give at all; it is called only when somebody wants room.
    """

    def __init__(self, *, givable: Callable[[], Collection[Room]]) -> None:
        self.host = socket.gethostname()
        self.given: Room | None = None
        self.wanted: Room | None = None
        self._givable = givable
        self._is_small = False  # in 4 bits anyway

    def settings(self, settings: Settings) -> Settings:
        """Return the settings to load the model with."""
        return settings.model_copy(update={"precision": "nf4"}) if self.given is Room.NF4 else settings

    def loaded(self, model: ModelInfo) -> None:
        """Learn in which form the model is."""
        self._is_small = model.precision == "nf4"

    @property
    def needs_fresh_process(self) -> bool:
        """Say whether another form of the model is asked for than this process has."""
        return self.wanted != self.given and not (self.wanted is Room.NF4 and self._is_small)

    async def look(self, database: Database) -> None:
        """Learn what is asked for.

        Raises:
            StorageBusy, StorageError: it cannot be read now; what was asked for stands.
        """
        async with database.read() as session:
            wanted = await room.asked(session, self.host)
        self.wanted = wanted if wanted is not None and wanted in self._givable() else None

    async def is_shared(self, database: Database) -> bool:
        """Say whether a cycle trains on this machine now, so that memory may be there again soon."""
        try:
            async with database.read() as session:
                return await room.is_training(session, self.host)
        except MjpromptError:
            return False

    async def begin(self, database: Database) -> bool:
        """Look before the model is loaded; return whether it has to wait, requests being held meanwhile."""
        try:
            await self.look(database)
            if self.wanted is not None:
                async with database.write() as session:
                    await room.hold_deadlines(session, seconds=HOLD_SECONDS)
        except MjpromptError as error:
            log.warning("worker.room_not_known", error=str(error))
        self.given = self.wanted
        return self.wanted is Room.PAUSE
