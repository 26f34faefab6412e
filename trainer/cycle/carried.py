"""A cycle in the hands of the process that carries it out: how it stands, and the ways to move it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from core.cycles import CycleState, CycleView
from core.errors import TrainingBusy
from core.logs import get_logger
from core.settings import Settings
from storage import cycles
from storage.database import Session
from trainer.cycle import endings
from trainer.cycle.book import CycleBook
from trainer.cycle.folder import CYCLES_FOLDER, CycleFolder, needs_folder
from trainer.cycle.planning import config_of
from trainer.cycle_config import CycleConfig
from trainer.run.owner import own_process
from trainer.run.stop_flag import StopFlag

log = get_logger(__name__)


class Carried:
    """`cycle` is how it stood when this process looked last."""

    def __init__(
        self, settings: Settings, book: CycleBook, cycle: CycleView, stop: StopFlag, *, root: Path = CYCLES_FOLDER
    ) -> None:
        self.settings, self.book, self.cycle, self.stop = settings, book, cycle, stop
        self.folder = CycleFolder(cycle.id, root)

    @property
    def config(self) -> CycleConfig:
        """Return what the cycle was planned with.

        Raises:
            ConfigError: another version of this program planned it.
        """
        return config_of(self.cycle)

    @property
    def needs_folder(self) -> bool:
        """Say whether what it keeps on disk is still used."""
        return needs_folder(self.cycle.state)

    def look(self) -> None:
        """Read how the cycle stands."""
        self.cycle = self.book.view(self.cycle.id)

    def move(
        self,
        after: CycleState,
        *,
        together: Callable[[Session], Awaitable[object]] | None = None,
        **values: object,
    ) -> None:
        """Leave the present state for `after`; what `together` writes is in the same transaction, and comes first.

        Raises:
            TrainingBusy: the cycle is not this process's any more; nothing is written then.
        """
        before = self.cycle

        async def move(session: Session) -> None:
            if together is not None:
                await together(session)
            if not await cycles.advance(
                session, before.id, before=before.state, after=after, owner=own_process(), **values
            ):
                raise _lost(before.id)

        self.book.write(move)
        self.look()
        log.info("cycle.state", cycle=before.id, state=after.value)

    def end(self, state: CycleState, reason: str, **values: object) -> None:
        """End the cycle without a promotion, and its adapter with it; nothing is done where it has ended already.

        Raises:
            TrainingBusy: another process has taken it.
        """
        self.look()
        if self.cycle.state.is_open:
            cycle, owner = self.cycle, own_process()
            self.book.write(lambda session: endings.end(session, cycle, state, reason, owner=owner, **values))
            self.look()
        if self.cycle.state.is_open:
            raise _lost(self.cycle.id)
        self.folder.delete()
        log.info("cycle.ended", cycle=self.cycle.id, state=self.cycle.state.value, reason=self.cycle.reason)


def _lost(cycle_id: str) -> TrainingBusy:
    return TrainingBusy(f"The cycle {cycle_id} was ended, or taken over by another process; nothing more is done here.")
