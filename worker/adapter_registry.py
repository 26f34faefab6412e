"""What the registry tells a worker about adapters, and what the worker tells back.

It does not know how an adapter is loaded, nor why the registry names it.
"""

from typing import Protocol

from core.cycles import ServingPlan
from storage import serving
from storage.database import Database


class AdapterRegistry(Protocol):
    """Says which adapters have to answer."""

    async def plan(self, base_model: str) -> ServingPlan:
        """Return what has to answer now. Raises: StorageBusy, StorageError."""
        ...

    async def report_trouble(self, adapter_id: str, reason: str) -> None:
        """Tell that an adapter cannot answer, in one sentence. Raises: StorageBusy, StorageError."""
        ...


class DatabaseRegistry:
    """The registry in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(self, base_model: str) -> ServingPlan:
        """Return what has to answer now. Raises: StorageBusy, StorageError."""
        async with self._database.read() as session:
            return await serving.plan(session, base_model)

    async def report_trouble(self, adapter_id: str, reason: str) -> None:
        """Tell that an adapter cannot answer, in one sentence. Raises: StorageBusy, StorageError."""
        async with self._database.write() as session:
            await serving.report_trouble(session, adapter_id, reason)
