"""What the admins of workspaces decided, kept in memory for some seconds: acknowledgements wait for no database then.

What is changed here is known here at once; what another process changed, after `REMEMBER_SECONDS`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from core.records import Platform, WorkspaceSettings

REMEMBER_SECONDS = 5.0
MAX_REMEMBERED = 10_000

Key = tuple[Platform, str | None]  # a workspace by its platform's id
Read = Callable[[Platform, str | None], Awaitable[WorkspaceSettings]]


class SettingsMemory:
    """Settings of workspaces; whoever asks for the same ones at once shares one read."""

    def __init__(self, read: Read, *, remember_seconds: float = REMEMBER_SECONDS) -> None:
        self._read = read
        self._remember_seconds = remember_seconds
        self._known: dict[Key, tuple[float, WorkspaceSettings]] = {}
        self._reading: dict[Key, asyncio.Task[WorkspaceSettings]] = {}

    async def of(self, platform: Platform, external_id: str | None) -> WorkspaceSettings:
        """Return a workspace's settings; whatever reading them raises is raised."""
        key = (platform, external_id)
        until, settings = self._known.get(key, (0.0, WorkspaceSettings()))
        if until > time.monotonic():
            return settings
        if key not in self._reading:
            self._reading[key] = reading = asyncio.create_task(self._read_once(key), name="read settings")
            reading.add_done_callback(lambda task: task.cancelled() or task.exception())  # somebody may have gone
        return await asyncio.shield(self._reading[key])

    def keep(self, platform: Platform, external_id: str | None, settings: WorkspaceSettings) -> None:
        """Know from now on what was just decided."""
        self._reading.pop((platform, external_id), None)  # what it reads may be older
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[platform, external_id] = (time.monotonic() + self._remember_seconds, settings)

    def forget(self, platform: Platform, external_id: str | None) -> None:
        """Read a workspace's settings anew the next time."""
        self._reading.pop((platform, external_id), None)
        self._known.pop((platform, external_id), None)

    async def _read_once(self, key: Key) -> WorkspaceSettings:
        try:
            settings = await self._read(*key)
            if self._reading.get(key) is asyncio.current_task():
                self.keep(*key, settings)
            return settings
        finally:
            if self._reading.get(key) is asyncio.current_task():
                del self._reading[key]
