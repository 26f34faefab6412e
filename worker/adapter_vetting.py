"""Whether an adapter may be loaded here: its folder is checked; one that was no good is told of once, and tried later.

It knows no model, and the check only by what it raises.
"""

import asyncio
import time
from collections.abc import Callable

from core.cycles import AdapterFiles
from core.errors import MjpromptError
from core.logs import get_logger
from worker.adapter_registry import AdapterRegistry

RETRY_SECONDS = 30.0  # somebody may have restored the folder, or freed the memory
Check = Callable[[AdapterFiles], None]
log = get_logger(__name__)


class AdapterVetting:
    """Remembers which adapters were no good, and why."""

    def __init__(self, registry: AdapterRegistry, check: Check, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell `registry` of troubles; `check` refuses a folder by raising, and is called on a thread."""
        self._registry, self._check, self._clock = registry, check, clock
        self._reasons: dict[AdapterFiles, str] = {}
        self._refused_at: dict[AdapterFiles, float] = {}

    async def accepts(self, files: AdapterFiles) -> bool:
        """Check an adapter's folder; one that was refused a moment ago is not looked at again.

        Raises:
            StorageBusy, StorageError: as `refuse` says.
        """
        if self.is_refused(files):
            return False
        try:
            await asyncio.to_thread(self._check, files)
        except Exception as error:
            await self.refuse(files, sentence_of(error, files))
            return False
        return True

    def is_refused(self, files: AdapterFiles) -> bool:
        """Say whether an adapter was no good a moment ago, so that trying again is too early."""
        refused_at = self._refused_at.get(files)
        return refused_at is not None and self._clock() - refused_at < RETRY_SECONDS

    async def refuse(self, files: AdapterFiles, reason: str) -> None:
        """Remember that an adapter is no good; the first time for this reason the registry and the log are told.

        Raises:
            StorageBusy, StorageError: the registry cannot be told; nothing is remembered, so that it will be.
        """
        if self._reasons.get(files) != reason:
            await self._registry.report_trouble(files.id, reason)
            log.warning("adapter.refused", adapter=files.id, reason=reason)
        self._reasons[files], self._refused_at[files] = reason, self._clock()


def sentence_of(error: Exception, files: AdapterFiles) -> str:
    """Return what to tell people of an error that kept an adapter from being loaded."""
    if isinstance(error, MjpromptError):
        return str(error)
    return f"The adapter {files.id} cannot be loaded; the worker's log says why."
