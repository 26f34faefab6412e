"""The one place where a database's exceptions become the product's own.

It knows SQLite's result codes (https://www.sqlite.org/rescode.html). A mistake in a statement is translated
as well: nothing of SQLAlchemy's or SQLite's reaches another package, but the original stays chained for the
log.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.errors import StorageBusy, StorageError

PRIMARY_CODE_MASK = 0xFF  # SQLite's extended codes keep the primary one in the low byte

READ_ONLY = "The database {place} is read-only; make the file and its folder writable, or set DATABASE_URL."
FULL = "The disk is full, so the database {place} cannot grow; free some space and start again."
DAMAGED = "The file {place} is not a sound SQLite database; restore a backup, or move it away to start a new one."
UNREADABLE = "The disk could not read or write the database {place}; check the disk, then start again."
CANNOT_OPEN = "The database {place} cannot be opened; check that it is a file this program may read and write."
BUSY = "The database {place} is locked by another program; close that program, or try again in a moment."
OUTDATED = "The database {place} lacks tables of this version; run `mjprompt db upgrade`."
CROWDED = "Too much waits for the database {place} in this program at once; try again in a moment."
NOT_TEXT = "The database {place} cannot store a text with broken characters; write it anew without them."
REFUSED = "The database {place} refused a change that breaks its rules: {detail}."
OTHER = "The database {place} failed: {detail}; the log has the details."

SENTENCES = {
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: UNREADABLE,
    sqlite3.SQLITE_CANTOPEN: CANNOT_OPEN,
    sqlite3.SQLITE_AUTH: CANNOT_OPEN,
    sqlite3.SQLITE_CONSTRAINT: REFUSED,
}
MIN_FREE_BYTES = 65_536  # with less, what SQLite could not write was too much for the disk
BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})


@contextmanager
def translated_faults(place: str) -> Iterator[None]:
    """Raise the product's errors in place of the database's; `place` names the database in the sentence.

    Raises:
        StorageBusy: the database, or a connection to it, was not free within the time given for it.
        StorageError: the database is read-only, full, damaged, missing, or at another revision.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error, PoolTimeout, UnicodeEncodeError) as error:
        raise translate(error, place) from error


def translate(error: Exception, place: str) -> StorageBusy | StorageError:
    """Return the product's error for one of the database's."""
    if isinstance(error, PoolTimeout):
        return StorageBusy(CROWDED.format(place=place))
    if isinstance(error, UnicodeEncodeError):
        return StorageError(NOT_TEXT.format(place=place))
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    extended_code = getattr(original, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    code = extended_code & PRIMARY_CODE_MASK
    if code in BUSY_CODES:
        return StorageBusy(BUSY.format(place=place))
    if code == sqlite3.SQLITE_IOERR and _is_disk_full(extended_code, place):
        code = sqlite3.SQLITE_FULL
    return StorageError(_sentence(code, str(original), place))


def _is_disk_full(extended_code: int, place: str) -> bool:
    """Tell a full disk from a broken one: SQLite says FULL only where it appends to a file of its own."""
    if extended_code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return True
    try:
        return shutil.disk_usage(Path(place).parent).free < MIN_FREE_BYTES
    except OSError:
        return False


def _sentence(code: int, detail: str, place: str) -> str:
    if detail.startswith(("no such table", "no such column")) or "has no column named" in detail:
        return OUTDATED.format(place=place)
    if code == sqlite3.SQLITE_CANTOPEN and not Path(place).parent.is_dir():
        return f"The folder {Path(place).parent} does not exist; make it, or set DATABASE_URL to another file."
    return SENTENCES.get(code, OTHER).format(place=place, detail=detail)
