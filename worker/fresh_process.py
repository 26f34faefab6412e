"""Following the registry with a model that takes no adapters while it runs: its process ends, and a fresh one loads.

It does not know how a process ends or begins; it says when it has to.
"""

from collections.abc import Callable
from pathlib import Path

from core.cycles import AdapterFiles, ServingPlan
from core.logs import get_logger
from falcon.generator import Generator
from worker.adapter_vetting import AdapterVetting, sentence_of
from worker.engine_thread import EngineThread
from worker.served_adapters import Lineup, ServedAdapters

ALONE = "The adapter {} cannot be a canary here, as this worker answers with one adapter at a time; set ENGINE=auto."
LoadWith = Callable[[Path | None], Generator]
log = get_logger(__name__)


class FreshProcess:
    """Serves what plans name from the start of the process; `is_wanted` once they name something else."""

    def __init__(self, engine: EngineThread, served: ServedAdapters, vetting: AdapterVetting) -> None:
        self._engine, self._served, self._vetting = engine, served, vetting
        self._refused: set[AdapterFiles] = set()  # a fresh process would fare no better
        self.is_wanted = False

    async def begin(self, plan: ServingPlan, load_with: LoadWith) -> None:
        """Load the active adapter with the model, before the first request; the base alone where that fails.

        Raises:
            MjpromptError: the base, which was loaded before, cannot be loaded again.
        """
        if plan.active is None or not await self._vetting.accepts(plan.active):
            return
        files = plan.active
        try:
            await self._engine.load_again(lambda: load_with(Path(files.folder)))
        except Exception as error:
            log.info("adapter.not_loaded", adapter=files.id, exc_info=True)
            self._refused.add(files)
            await self._engine.load_again(lambda: load_with(None))
            await self._vetting.refuse(files, sentence_of(error, files))
        else:
            self._served.lineup = Lineup(active=files.id)
            log.info("adapter.serves", active=files.id, canary=None)

    async def follow(self, plan: ServingPlan) -> None:
        """Look whether another adapter has to serve than the one that was loaded, and can.

        Raises:
            StorageBusy, StorageError: the registry cannot be told of a trouble.
        """
        if plan.canary is not None and not self._vetting.is_refused(plan.canary):
            await self._vetting.refuse(plan.canary, ALONE.format(plan.canary.id))
        if (plan.active.id if plan.active else None) == self._served.lineup.active or plan.active in self._refused:
            return
        self.is_wanted = plan.active is None or await self._vetting.accepts(plan.active)
