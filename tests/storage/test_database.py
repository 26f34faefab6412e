"""Transactions, and what a person is told when the database cannot be used."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection

from core.errors import ConfigError, NotFound, StorageBusy, StorageError
from storage import faults
from storage.database import Database, open_database

COLUMNS = "workspaces (id, platform, external_id, is_private, created_at)"
INSERT = text(f"INSERT INTO {COLUMNS} VALUES ('1', 'slack', 'T1', 0, '2026-01-01 00:00:00.000000')")


def file_of(url: str) -> str:
    return url.partition("///")[2]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = open_database(url, busy_timeout_seconds=0.2)
    try:
        yield database
    finally:
        await database.close()


async def pragma(database: Database, name: str) -> list[object]:
    """The pragma's value on a writing and on a reading connection."""
    values = []
    for transaction in (database.write(), database.read()):
        async with transaction as session:
            values.append(await session.scalar(text(f"PRAGMA {name}")))
    return values


# Transactions


async def test_connections_are_set_up_for_many_processes(url):
    async with opened(url) as quick:
        assert await pragma(quick, "journal_mode") == ["wal", "wal"]
        assert await pragma(quick, "foreign_keys") == [1, 1]
        assert await pragma(quick, "synchronous") == [1, 1]
        assert await pragma(quick, "query_only") == [0, 1]
    usual = open_database(url)
    assert await pragma(usual, "busy_timeout") == [5000, 5000]
    await usual.close()


async def test_a_write_is_kept_at_the_end_and_an_error_rolls_it_back(world):
    async with world.database.write() as session:
        await session.execute(INSERT)
    with pytest.raises(NotFound, match="nothing"):
        async with world.database.write() as session:
            await session.execute(text("DELETE FROM workspaces"))
            raise NotFound("nothing")
    assert await world.count("workspaces") == 1


async def test_a_reader_cannot_write(world):
    with pytest.raises(StorageError, match="read-only"):
        async with world.database.read() as session:
            await session.execute(INSERT)
    assert await world.count("workspaces") == 0


async def test_a_reader_sees_one_moment_and_does_not_wait_for_a_writer(database):
    count = text("SELECT count(*) FROM workspaces")
    async with database.read() as reader:
        assert await reader.scalar(count) == 0
        async with database.write() as writer:
            await writer.execute(INSERT)
        assert await reader.scalar(count) == 0
    async with database.read() as reader:
        assert await reader.scalar(count) == 1


async def test_writers_of_one_process_take_turns(world):
    async def add() -> None:
        async with world.database.write() as session:
            before = await session.scalar(text("SELECT count(*) FROM workspaces"))
            await session.execute(
                text(f"INSERT INTO {COLUMNS} VALUES (:id, 'slack', :id, 0, '2026-01-01 00:00:00.000000')"),
                {"id": str(before)},
            )

    await asyncio.gather(*(add() for _ in range(50)))
    assert await world.count("workspaces") == 50


async def test_writers_come_in_the_order_in_which_they_asked(database):
    """SQLAlchemy's pool lets a newcomer overtake: two presses of one person changed places when much was going on."""
    came: list[int] = []

    async def write(number: int) -> None:
        async with database.write():
            came.append(number)

    pauses, writing = random.Random(1), []
    for number in range(600):
        writing.append(asyncio.create_task(write(number)))
        for _ in range(pauses.randrange(4)):
            await asyncio.sleep(0)
    await asyncio.gather(*writing)
    assert came == list(range(600))


async def test_a_write_inside_a_write_is_refused_instead_of_hanging(url):
    async with opened(url) as database:
        with pytest.raises(StorageBusy):
            async with database.write(), database.write():
                pass


async def test_a_cancelled_task_gives_the_write_lock_back(database):
    async def write_for_ever() -> None:
        async with database.write():
            await asyncio.sleep(60)

    task = asyncio.create_task(write_for_ever())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await database.probe_writable()


async def test_probing_leaves_nothing_behind(world):
    tables = await world.count("sqlite_master")
    for _ in range(3):
        await world.database.probe_writable()
    assert await world.count("sqlite_master") == tables


# Faults: each is made for real, and each is one sentence with a cure


async def expect(error: type[Exception], words: str, url: str) -> None:
    async with opened(url) as database:
        with pytest.raises(error) as caught:
            await database.probe_writable()
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert caught.value.__cause__ is not None


async def test_a_database_locked_by_another_program_is_busy(url):
    with closing(sqlite3.connect(file_of(url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await expect(StorageBusy, "locked by another program", url)
        other.execute("ROLLBACK")
    async with opened(url) as database:
        await database.probe_writable()


async def test_a_database_locked_exclusively_is_busy_for_readers_too(url):
    with closing(sqlite3.connect(file_of(url), isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        async with opened(url) as database:
            with pytest.raises(StorageBusy):
                async with database.read():
                    pass


async def test_a_read_only_file_is_said(url):
    path = file_of(url)
    async with opened(url) as database:
        await database.probe_writable()
        await expect(StorageError, "is read-only", f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true")


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Stands in for a full disk: SQLite reports the same when its file may not grow any more."""

    def on_connect(connection: DBAPIConnection, _entry: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size for the smallest limit
        cursor.close()

    event.listen(Engine, "connect", on_connect)
    yield
    event.remove(Engine, "connect", on_connect)


@pytest.mark.usefixtures("full_disk")
async def test_a_full_disk_is_said(url):
    with closing(sqlite3.connect(file_of(url))) as connection:
        connection.execute("VACUUM")  # migrations leave free pages behind, which take no room on a disk
    await expect(StorageError, "The disk is full", url)


async def test_a_damaged_file_is_said(tmp_path):
    path = tmp_path / "a.db"
    path.write_bytes(b"Dear diary, " * 1000)
    await expect(StorageError, "not a sound SQLite database", f"sqlite+aiosqlite:///{path}")


async def test_a_database_damaged_inside_is_said(url, world):
    for _ in range(30):
        await world.ask()
    await world.database.close()
    overwrite_table(Path(file_of(url)), "requests")
    async with opened(url) as database:
        with pytest.raises(StorageError, match="not a sound SQLite database"):
            async with database.read() as session:
                await session.execute(text("SELECT * FROM requests"))


def overwrite_table(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = connection.execute(query, (table,)).fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * page_bytes : page * page_bytes] = b"\xff" * page_bytes
    path.write_bytes(content)


async def test_a_missing_folder_is_said(tmp_path):
    await expect(
        StorageError,
        f"The folder {tmp_path / 'nowhere'} does not exist",
        f"sqlite+aiosqlite:///{tmp_path}/nowhere/a.db",
    )


async def test_a_folder_in_the_files_place_is_said(tmp_path):
    await expect(StorageError, "cannot be opened", f"sqlite+aiosqlite:///{tmp_path}")


async def test_a_database_without_tables_says_to_upgrade(tmp_path):
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/empty.db") as database:
        with pytest.raises(StorageError, match="run `mjprompt db upgrade`"):
            async with database.write() as session:
                await session.execute(INSERT)


@pytest.mark.parametrize(
    "statement",
    ["SELECT shoe_size FROM users", "INSERT INTO users (shoe_size) VALUES (1)", "DELETE FROM shoes"],
)
async def test_tables_of_another_version_say_to_upgrade(database, statement):
    with pytest.raises(StorageError, match="run `mjprompt db upgrade`"):
        async with database.write() as session:
            await session.execute(text(statement))


async def test_a_change_that_breaks_a_rule_is_refused(database):
    with pytest.raises(StorageError, match=r"refused a change.*UNIQUE"):
        async with database.write() as session:
            await session.execute(INSERT)
            await session.execute(INSERT)


async def test_a_mistake_in_a_statement_is_translated_as_well(database):
    with pytest.raises(StorageError, match="syntax error"):
        async with database.read() as session:
            await session.execute(text("SELEKT 1"))


async def test_what_people_typed_is_not_in_an_error(database):
    with pytest.raises(StorageError) as caught:
        async with database.read() as session:
            await session.execute(text("SELECT :idea FROM nowhere"), {"idea": "a secret castle"})
    assert "castle" not in f"{caught.value} {caught.value.__cause__}"


CODES = [
    (sqlite3.SQLITE_BUSY, StorageBusy, "locked"),
    (sqlite3.SQLITE_BUSY_SNAPSHOT, StorageBusy, "locked"),
    (sqlite3.SQLITE_LOCKED, StorageBusy, "locked"),
    (sqlite3.SQLITE_PROTOCOL, StorageBusy, "locked"),
    (sqlite3.SQLITE_READONLY, StorageError, "read-only"),
    (sqlite3.SQLITE_READONLY_DIRECTORY, StorageError, "read-only"),
    (sqlite3.SQLITE_PERM, StorageError, "read-only"),
    (sqlite3.SQLITE_FULL, StorageError, "disk is full"),
    (sqlite3.SQLITE_CORRUPT, StorageError, "not a sound"),
    (sqlite3.SQLITE_NOTADB, StorageError, "not a sound"),
    (sqlite3.SQLITE_IOERR_SHMSIZE, StorageError, "disk is full"),
    (sqlite3.SQLITE_IOERR_WRITE, StorageError, "could not read or write"),
    (sqlite3.SQLITE_IOERR_SHORT_READ, StorageError, "could not read or write"),
    (sqlite3.SQLITE_CANTOPEN, StorageError, "does not exist"),
    (sqlite3.SQLITE_AUTH, StorageError, "cannot be opened"),
    (sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, StorageError, "refused"),
    (sqlite3.SQLITE_INTERNAL, StorageError, "failed"),
]


@pytest.mark.parametrize(("code", "expected", "words"), CODES)
def test_each_known_code_of_sqlite_has_its_sentence(code, expected, words):
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    with pytest.raises(expected, match=words), faults.translated_faults("/nowhere/a.db"):
        raise error


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC])
def test_a_write_that_failed_where_nothing_is_free_is_a_full_disk(code):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    with pytest.raises(StorageError, match="The disk is full"), faults.translated_faults("/proc/a.db"):
        raise error  # /proc never has a free byte


async def test_a_text_with_broken_characters_is_refused(database):
    with pytest.raises(StorageError, match="broken characters"):
        async with database.read() as session:
            await session.execute(text("SELECT :idea"), {"idea": "a \udcff castle"})


async def test_connections_of_this_program_that_run_out_are_not_blamed_on_another(url):
    async with opened(url) as database, database.write():
        with pytest.raises(StorageBusy, match="in this program"):
            async with database.write():
                raise AssertionError("two writers at once")


def test_every_sentence_is_proved():
    """Nothing was added to storage/faults.py without a case above."""
    proved = {code & faults.PRIMARY_CODE_MASK for code, _, _ in CODES}
    assert proved >= set(faults.SENTENCES) | faults.BUSY_CODES
    assert len(faults.SENTENCES) == 9


async def test_cancelled_transactions_end_whole_and_in_silence(database, caplog):
    async def write() -> None:
        async with database.write() as session:
            await session.execute(INSERT)
            await session.execute(text("DELETE FROM workspaces"))

    for turn in range(600):
        writing = asyncio.create_task(write())
        await asyncio.sleep(turn % 40 / 10_000)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    await database.probe_writable()
    assert [record.getMessage() for record in caplog.records] == []


# URLs


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("not a url", "is not a database URL"),
        ("", "is not a database URL"),
        ("postgresql://bot@host:port/db", "is not a database URL"),
        ("mysql://bot@host/db", "'mysql', which is not supported"),
        ("sqlite+aiosqlite://", "memory"),
        ("sqlite+aiosqlite:///:memory:", "memory"),
        ("sqlite+aiosqlite:///file::memory:?cache=shared&uri=true", "memory"),
        ("sqlite+aiosqlite:///file:x?mode=memory&uri=true", "memory"),
        ("postgresql://bot@host/db", "needs the driver"),
        ("sqlite+nonsense:///a.db", "needs the driver"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_a_cure(url: str, words: str):
    with pytest.raises(ConfigError, match=words) as caught:
        open_database(url)
    assert "like sqlite+aiosqlite:///mjprompt.db." in str(caught.value)


async def test_a_plain_sqlite_url_is_taken_too(new_database: Callable[[], str]):
    async with opened(new_database().replace("+aiosqlite", "")) as database:
        await database.probe_writable()
