"""Making the model follow the registry while it serves: adapters come in, take over, and leave once nobody uses them.

Two slots are enough: a canary gives its place up to whatever has to be active. What cannot be loaded is reported, and
what served before goes on. It does not know requests, nor who decides what serves.
"""

import time
from dataclasses import replace
from pathlib import Path

from core.cycles import AdapterFiles, ServingPlan
from core.errors import ModelError
from core.logs import get_logger
from falcon.generator import AdapterHost, Generator
from worker.adapter_vetting import AdapterVetting, sentence_of
from worker.engine_thread import EngineThread
from worker.served_adapters import Lineup, ServedAdapters

log = get_logger(__name__)


class HotSwap:
    """Keeps the adapters of one `AdapterHost` as plans want them; its slots are this object's alone."""

    def __init__(self, engine: EngineThread, served: ServedAdapters, vetting: AdapterVetting) -> None:
        self._engine, self._served, self._vetting = engine, served, vetting
        self._num_slots = engine.num_adapter_slots
        self._loaded: set[str] = set()

    async def follow(self, plan: ServingPlan) -> None:
        """Bring what serves as near to `plan` as it can be now; call it again until it is there, and then on.

        Raises:
            StorageBusy, StorageError: the registry cannot be told of a trouble; what serves goes on.
        """
        await self._unload_all_but(plan)
        if await self._is_active_ready(plan.active):
            await self._line_up(plan)
        else:  # a canary has nothing to be compared with
            self._serve(replace(self._served.lineup, canary=None, canary_share=0.0))
        await self._unload_all_but(plan)

    async def _line_up(self, plan: ServingPlan) -> None:
        """Let the active adapter answer, which is loaded, and beside it the canary, once it is as well."""
        active, canary = _id_of(plan.active), plan.canary
        if canary is None or canary.id not in self._loaded:
            self._serve(Lineup(active=active))
            await self._unload_all_but(plan)
        if canary is not None and await self._is_canary_ready(canary):
            self._serve(Lineup(active=active, canary=canary.id, canary_share=plan.canary_share))

    def _serve(self, lineup: Lineup) -> None:
        before, self._served.lineup = self._served.lineup, lineup
        if lineup != before:
            log.info("adapter.serves", active=lineup.active, canary=lineup.canary, canary_share=lineup.canary_share)

    async def _is_active_ready(self, files: AdapterFiles | None) -> bool:
        """Say whether what has to be active can answer, after loading it where that can be."""
        if files is None or files.id in self._loaded:
            return True
        if not await self._vetting.accepts(files):
            return False
        if self._is_full:
            await self._make_room()
        return not self._is_full and await self._load(files)

    async def _is_canary_ready(self, files: AdapterFiles) -> bool:
        if files.id in self._loaded:
            return True
        return not self._is_full and await self._vetting.accepts(files) and await self._load(files)

    @property
    def _is_full(self) -> bool:
        return len(self._loaded) >= self._num_slots

    async def _make_room(self) -> None:
        """Let everything but the active adapter go; who uses it finishes first."""
        self._serve(replace(self._served.lineup, canary=None, canary_share=0.0))
        for adapter in sorted(self._loaded - {self._served.lineup.active}):
            await self._unload(adapter)

    async def _load(self, files: AdapterFiles) -> bool:
        def load(generator: Generator) -> None:
            _host(generator).load_adapter(files.id, Path(files.folder))

        started = time.monotonic()
        try:
            await self._engine.between_steps(load)
        except Exception as error:
            log.info("adapter.not_loaded", adapter=files.id, exc_info=True)
            await self._vetting.refuse(files, sentence_of(error, files))
            return False
        self._loaded.add(files.id)
        log.info("adapter.loaded", adapter=files.id, seconds=round(time.monotonic() - started, 3))
        return True

    async def _unload_all_but(self, plan: ServingPlan) -> None:
        """Let go of what neither answers nor is going to; what somebody uses stays until later."""
        lineup = self._served.lineup
        named = {_id_of(plan.active), _id_of(plan.canary), lineup.active, lineup.canary}
        for adapter in sorted(self._loaded - named):
            await self._unload(adapter)

    async def _unload(self, adapter: str) -> None:
        if self._served.num_users(adapter):
            return
        try:
            await self._engine.between_steps(lambda generator: _host(generator).unload_adapter(adapter))
        except ModelError:  # its request was given up here, but the model has not noticed yet
            return
        self._loaded.discard(adapter)
        log.info("adapter.unloaded", adapter=adapter)


def _host(generator: Generator) -> AdapterHost:
    if not isinstance(generator, AdapterHost):
        raise AssertionError("only a generator with slots is followed by hot swaps")
    return generator


def _id_of(files: AdapterFiles | None) -> str | None:
    return None if files is None else files.id
