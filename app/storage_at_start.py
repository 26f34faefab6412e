"""Making the database ready before anything else starts, so that a fault is said plainly and at once."""

from core.settings import Settings
from storage import migrations
from storage.database import Database, open_database
from storage.queue import SqlQueue


def make_database_current(settings: Settings) -> None:
    """Create or upgrade the database; call it before the event loop starts.

    Raises:
        StorageBusy, StorageError, ConfigError: it cannot be used; the message is one plain sentence.
    """
    migrations.upgrade(settings.database_url)


async def open_writable(settings: Settings) -> tuple[Database, SqlQueue]:
    """Open the database and its queue, and prove that it can be written.

    Raises:
        StorageBusy, StorageError: it cannot be written.
    """
    database = open_database(settings.database_url)
    try:
        await database.probe_writable()
    except BaseException:
        await database.close()
        raise
    return database, SqlQueue(database, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts)
