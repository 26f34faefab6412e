"""Reading the registry's plan again and again, and letting the loaded model follow it in the way that it can.

It does not know how adapters come into memory, nor when it is called.
"""

from functools import partial

from core.errors import StorageBusy, StorageError
from core.logs import get_logger
from core.records import ModelInfo
from core.settings import Settings
from storage.database import Database
from worker.adapter_check import require_intact
from worker.adapter_registry import AdapterRegistry, DatabaseRegistry
from worker.adapter_vetting import AdapterVetting
from worker.engine_thread import EngineThread
from worker.fresh_process import FreshProcess, LoadWith
from worker.hot_swap import HotSwap
from worker.served_adapters import ServedAdapters

log = get_logger(__name__)


class AdapterFollower:
    """Keeps what serves as the registry names it; `served` says what that is now."""

    def __init__(
        self, engine: EngineThread, registry: AdapterRegistry, vetting: AdapterVetting, *, load_with: LoadWith
    ) -> None:
        """Follow `registry`; `load_with` loads the model with an adapter's folder, or with None alone."""
        self.served = ServedAdapters()
        self._engine, self._registry, self._vetting, self._load_with = engine, registry, vetting, load_with
        self._base_model = ""
        self._way: HotSwap | FreshProcess | None = None

    @property
    def needs_fresh_process(self) -> bool:
        """Whether what has to serve can only be loaded by another process."""
        return isinstance(self._way, FreshProcess) and self._way.is_wanted

    async def begin(self, model: ModelInfo) -> ModelInfo:
        """Follow for the first time, `model` being loaded; return what is loaded then.

        A registry that cannot be read now will be: the base serves until then.

        Raises:
            MjpromptError: the model had to be loaded anew, and cannot be.
        """
        self._base_model = model.base
        way = HotSwap if self._engine.num_adapter_slots else FreshProcess
        self._way = way(self._engine, self.served, self._vetting)
        try:
            plan = await self._registry.plan(model.base)
            if isinstance(self._way, FreshProcess):
                await self._way.begin(plan, self._load_with)
            else:
                await self._way.follow(plan)
        except (StorageBusy, StorageError) as error:
            log.warning("adapter.not_followed", error=str(error))
        return self._engine.info

    async def follow(self) -> None:
        """Bring what serves nearer to what the registry names.

        Raises:
            StorageBusy, StorageError: the registry cannot be read or told; what serves goes on.
        """
        if self._way is None:
            raise AssertionError("follow() comes after begin()")
        await self._way.follow(await self._registry.plan(self._base_model))


def follower_of(
    database: Database, engine: EngineThread, settings: Settings, *, load_with: LoadWith
) -> AdapterFollower | None:
    """Return what follows the registry in `database`; None where ADAPTER says what serves."""
    if settings.adapter is not None:
        log.info("adapter.pinned", adapter=settings.adapter.name, reason="promotions wait until ADAPTER is unset")
        return None
    registry = DatabaseRegistry(database)
    vetting = AdapterVetting(registry, partial(require_intact, settings=settings))
    return AdapterFollower(engine, registry, vetting, load_with=load_with)
