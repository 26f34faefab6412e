"""Bring the database to the revision that this program needs, and say where it stands.

Everything here is synchronous: call it before the event loop starts, or through `asyncio.to_thread`. A
database that is already current is recognised without loading Alembic, which keeps starting quick. Files in
alembic/versions are called `NNNN_what_it_does.py` and their revision is NNNN, so the newest one is the last
by name.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from core.errors import StorageError
from core.settings import PROJECT_ROOT
from storage.faults import translated_faults
from storage.sqlite import MIGRATION_PRAGMAS, configure_sqlite
from storage.urls import file_of, is_sqlite, place_of, read_url, required_driver, sync_url

ALEMBIC_INI = PROJECT_ROOT / "alembic.ini"
VERSIONS_FOLDER = PROJECT_ROOT / "alembic" / "versions"


def head_revision() -> str:
    """Return the revision that this program's tables have."""
    return max(_known_revisions())


def current_revision(url: str) -> str | None:
    """Return the database's revision, or None where it has no tables yet; a missing file is not made.

    Raises:
        ConfigError, StorageBusy, StorageError: the database cannot be read.
    """
    file = file_of(read_url(url))
    if file is not None and file.parent.is_dir() and not file.exists():
        return None
    with _transaction(url, pragmas=(), begin="BEGIN") as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def require_head(url: str) -> None:
    """Check that the database has exactly this program's tables.

    Raises:
        StorageError: it is at another revision; the message says what to do.
        ConfigError, StorageBusy: the database cannot be read.
    """
    current = current_revision(url)
    if current == head_revision():
        return
    _refuse_newer(url, current)
    raise StorageError(
        f"The database {place_of(read_url(url))} is at revision {current or 'none'}, and this version needs "
        f"{head_revision()}; run `mjprompt db upgrade`."
    )


def upgrade(url: str) -> None:
    """Make the database if it is missing and bring it to `head_revision`; two processes may do so at once.

    Raises:
        StorageError: the database is newer than this program, read-only, full or damaged.
        ConfigError, StorageBusy: the database cannot be used, or not now.
    """
    current = current_revision(url)
    if current == head_revision():
        return
    _refuse_newer(url, current)
    _run_alembic(url)


@contextmanager
def migration_transaction(url: str) -> Iterator[Connection]:
    """Hold one transaction with the write lock, so that whoever comes second finds the work done.

    Foreign keys are checked at the end instead of row by row: see storage.sqlite.MIGRATION_PRAGMAS.
    """
    with _transaction(url, pragmas=MIGRATION_PRAGMAS, begin="BEGIN IMMEDIATE") as connection:
        yield connection
        if connection.dialect.name == "sqlite":
            _require_sound_foreign_keys(connection)


@contextmanager
def _transaction(url: str, *, pragmas: Sequence[str], begin: str) -> Iterator[Connection]:
    parsed = sync_url(read_url(url))
    with required_driver(parsed):
        engine = create_engine(parsed, poolclass=NullPool, hide_parameters=True)
    if is_sqlite(parsed):
        configure_sqlite(engine, pragmas=pragmas, begin=begin)
    with translated_faults(place_of(parsed)), engine.begin() as connection:
        yield connection


def _run_alembic(url: str) -> None:
    from alembic import command  # noqa: PLC0415  # only a database that is behind pays for this import
    from alembic.config import Config  # noqa: PLC0415

    config = Config(ALEMBIC_INI)
    config.attributes["database_url"] = url
    command.upgrade(config, "head")


def _known_revisions() -> frozenset[str]:
    return frozenset(file.stem.partition("_")[0] for file in VERSIONS_FOLDER.glob("[0-9]*_*.py"))


def _refuse_newer(url: str, current: str | None) -> None:
    if current is None or current in _known_revisions():
        return
    raise StorageError(
        f"The database {place_of(read_url(url))} is at revision {current}, which this version does not know "
        f"(it knows up to {head_revision()}); update the program, then run `mjprompt db upgrade`."
    )


def _require_sound_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise StorageError(
            f"The migration would leave a row of {broken[0]} without the row of {broken[2]} it refers to; "
            "nothing was changed, please report this."
        )
