"""DATABASE_URL as the async engine, the migrations and a message need it; it opens nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from core.errors import ConfigError

ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
SYNC_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
EXAMPLE = "sqlite+aiosqlite:///mjprompt.db"


def read_url(text: str) -> URL:
    """Parse a database URL.

    Raises:
        ConfigError: it is not a URL, names a database that is not supported, or lives in memory only.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"DATABASE_URL is not a database URL; write it like {EXAMPLE}.") from error
    if url.get_backend_name() not in ASYNC_DRIVERS:
        raise ConfigError(
            f"DATABASE_URL names the database {url.get_backend_name()!r}, which is not supported; "
            f"use sqlite or postgresql, like {EXAMPLE}."
        )
    if is_sqlite(url) and _is_in_memory(url):
        raise ConfigError(
            f"DATABASE_URL={text} keeps everything in one process's memory, where no other can see it; "
            f"name a file, like {EXAMPLE}."
        )
    return url


def is_sqlite(url: URL) -> bool:
    """Tell whether the database is a file of SQLite's."""
    return url.get_backend_name() == "sqlite"


def async_url(url: URL) -> URL:
    """Return `url` with a driver that asyncio can use; one that was chosen by name is kept."""
    if "+" in url.drivername:
        return url
    return url.set(drivername=ASYNC_DRIVERS[url.get_backend_name()])


def sync_url(url: URL) -> URL:
    """Return `url` with the plain driver that migrations use."""
    return url.set(drivername=SYNC_DRIVERS[url.get_backend_name()])


@contextmanager
def required_driver(url: URL) -> Iterator[None]:
    """Say plainly that the driver of `url` is not installed, when making an engine in this block finds out.

    Raises:
        ConfigError: the driver cannot be imported.
    """
    try:
        yield
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(
            f"DATABASE_URL needs the driver of {url.drivername}, which is not installed; "
            f"install it, or use a URL like {EXAMPLE}."
        ) from error


def place_of(url: URL) -> str:
    """Name the database for a message: SQLite's file, or the address without its password."""
    file = file_of(url)
    return str(file) if file else url.render_as_string(hide_password=True)


def file_of(url: URL) -> Path | None:
    """Return SQLite's file, or None for a database that is not a file."""
    if not is_sqlite(url):
        return None
    return Path((url.database or "").removeprefix("file:"))


def _is_in_memory(url: URL) -> bool:
    name = url.database or ""
    return name in {"", ":memory:"} or name.startswith("file::memory:") or url.query.get("mode") == "memory"
