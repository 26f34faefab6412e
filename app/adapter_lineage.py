"""What the database knows of adapters on this machine: what each learned from, and what of that is gone since.

Nothing is written, and no database is made: one that is missing or of another version knows nothing. It knows no files.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from core.errors import NotFound
from core.settings import Settings
from storage import adapters, migrations
from storage.adapters import Lineage
from storage.database import Session, open_database

Result = TypeVar("Result")


def lineage_of(settings: Settings, adapter_id: str) -> Lineage | None:
    """Return what an adapter learned from; None for one that the database does not know.

    Raises:
        ConfigError, StorageBusy, StorageError: the database cannot be read.
    """

    async def lineage(session: Session) -> Lineage | None:
        try:
            return await adapters.lineage(session, adapter_id)
        except NotFound:  # trained elsewhere
            return None

    return _read(settings, lineage)


def num_forgotten(settings: Settings) -> Mapping[str, int]:
    """Return how many of its votes are gone with their people, by the id of each adapter that lost any.

    Raises:
        ConfigError, StorageBusy, StorageError: the database cannot be read.
    """
    return _read(settings, adapters.num_forgotten) or {}


def learned_from(lineage: Lineage | None) -> str:
    """Return in words what an adapter learned from."""
    if lineage is None:
        return "not known to this database"
    if not lineage.num_votes and not lineage.num_forgotten:
        return "no votes"
    labels = ", ".join(f"{count} {label}" for label, count in lineage.labels.items())
    words = f"{lineage.num_votes} votes of {lineage.num_people} people in {lineage.num_examples} examples"
    cycle = f" by cycle {lineage.cycle_id}" if lineage.cycle_id else ""
    return f"{words}{f' ({labels})' if labels else ''}{cycle}"


def gone_since(lineage: Lineage | None) -> str:
    """Return in words which of its votes are gone."""
    if lineage is None or not lineage.num_forgotten:
        return "nothing"
    return f"{lineage.num_forgotten} more votes, with people who were forgotten; a new training is without them"


def _read(settings: Settings, act: Callable[[Session], Awaitable[Result]]) -> Result | None:
    if migrations.current_revision(settings.database_url) != migrations.head_revision():
        return None

    async def read() -> Result:
        database = open_database(settings.database_url)
        try:
            async with database.read() as session:
                return await act(session)
        finally:
            await database.close()

    return asyncio.run(read())
