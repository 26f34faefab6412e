"""Migrations: up and down, equal to the tables, safe for two at once, plain about other revisions."""

import logging
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Integer, create_engine

from core.errors import ConfigError, StorageError
from core.settings import PROJECT_ROOT
from storage.migrations import (
    ALEMBIC_INI,
    current_revision,
    head_revision,
    migration_transaction,
    require_head,
    upgrade,
)
from storage.tables import METADATA

NUM_TABLES = 23
SYSTEM_TABLES = ("alembic_version", "sqlite_sequence")
MOMENT = "'2026-01-01 00:00:00.000000'"


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def schema_of(path: Path) -> dict[str, list[str]]:
    """Every table and index by name, in parts, without Alembic's own table and SQLite's."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: parts_of(sql) for name, sql in rows if name not in SYSTEM_TABLES}


def parts_of(sql: str) -> list[str]:
    """Split a CREATE statement at its outermost commas, a table's sorted; a table that was rebuilt is in quotes."""
    start, _, body = " ".join(sql.replace('"', "").split()).partition("(")
    parts = [""]
    depth = 0
    for character in body.rpartition(")")[0]:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    columns = [part.strip() for part in parts]
    return [start.strip(), *(columns if "INDEX" in start else sorted(columns))]


def run_in_process(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def configured(url: str) -> Config:
    config = Config(ALEMBIC_INI)
    config.attributes["database_url"] = url
    return config


def test_upgrade_check_downgrade_and_upgrade_again(tmp_path):
    path = tmp_path / "a.db"
    config = configured(url_of(path))
    upgrade(url_of(path))
    first = schema_of(path)
    command.check(config)
    command.downgrade(config, "base")
    assert schema_of(path) == {}
    assert current_revision(url_of(path)) is None
    upgrade(url_of(path))
    command.check(config)
    assert schema_of(path) == first


def test_the_migrated_schema_equals_the_tables(migrated_file, tmp_path):
    fresh = tmp_path / "fresh.db"
    engine = create_engine(f"sqlite:///{fresh}")
    METADATA.create_all(engine)
    engine.dispose()
    migrated = schema_of(migrated_file)
    assert migrated == schema_of(fresh)
    assert sum(parts[0].startswith("CREATE TABLE") for parts in migrated.values()) == NUM_TABLES


ROWS_OF_0001 = {
    "workspaces": f"('w', 'slack', 'T1', {MOMENT})",
    "users": f"('u', 'slack', 'T1:U1', 'Ann', 'w', {MOMENT})",
    "consents": f"(1, 'u', 1, {MOMENT})",
    "requests": f"('r', 'u', 'w', 'a boy', 'a boy', '', '[]', '8.2', 4, 'done', {MOMENT}, {MOMENT}, NULL, NULL, 1, 'k',"
    " NULL, NULL, 0.5, NULL)",
    "candidates": f"('c', 'r', 1, 'a boy, oil', -0.5, 'pocket', NULL, 'fp32', 'cpu', '{{}}', {MOMENT})",
    "vote_events": f"(7, 'u', 'c', 'e1', 'up', {MOMENT})",
    "votes": f"('u', 'c', 'up', 7, {MOMENT}, {MOMENT})",
    "outbox": f"('o', 'r', 'slack', 'answer:r', '{{}}', '{{}}', 'pending', 0, {MOMENT}, NULL, NULL, {MOMENT})",
    "seen_events": f"('slack', 'e0', 'r', {MOMENT})",
}


def as_kept(path: Path) -> dict[str, list[dict[str, object]]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in ROWS_OF_0001}


def test_rows_of_the_first_revision_come_through_up_and_down(tmp_path):
    path = tmp_path / "a.db"
    config = configured(url_of(path))
    command.upgrade(config, "0001")
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, values in ROWS_OF_0001.items():
            connection.execute(f"INSERT INTO {table} VALUES {values}")
    old, old_schema = as_kept(path), schema_of(path)
    upgrade(url_of(path))
    new = as_kept(path)
    for table, rows in old.items():
        kept = {column: value for column, value in rows[0].items() if (table, column) != ("outbox", "payload")}
        assert [kept] == [{column: row[column] for column in kept} for row in new[table]]
    request, message, event = (new[table][0] for table in ("requests", "outbox", "seen_events"))
    assert (request["kind"], request["parent_id"], request["is_private"], request["avoid"]) == ("ask", None, 0, "[]")
    assert (message["kind"], message["looked_at"]) == ("answer", message["created_at"])
    assert (event["user_id"], new["workspaces"][0]["is_private"]) == ("u", 0)
    command.downgrade(config, "0001")
    assert (as_kept(path), schema_of(path)) == (old, old_schema)


def test_training_runs_of_the_second_revision_come_through_up_and_down(tmp_path):
    path = tmp_path / "a.db"
    config = configured(url_of(path))
    command.upgrade(config, "0002")

    def states() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT id, state FROM training_runs ORDER BY id").fetchall()

    with closing(sqlite3.connect(path)) as connection, connection:
        for run_id, state in (("a", "running"), ("b", "running"), ("c", "done")):
            connection.execute(
                "INSERT INTO training_runs (id, state, base_model, config, seed, metrics, created_at)"
                f" VALUES ('{run_id}', '{state}', 'pocket', '{{}}', 0, '{{}}', {MOMENT})"
            )
    schema = schema_of(path)
    upgrade(url_of(path))
    assert states() == [("a", "failed"), ("b", "failed"), ("c", "done")], "none of their processes is there any more"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE training_runs SET state = 'stopped' WHERE id = 'a'")
    command.downgrade(config, "0002")
    assert states() == [("a", "failed"), ("b", "failed"), ("c", "done")]
    assert schema_of(path) == schema


def test_workers_of_the_third_revision_come_through_up_and_down(tmp_path):
    path = tmp_path / "a.db"
    config = configured(url_of(path))
    command.upgrade(config, "0003")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            f"INSERT INTO workers (id, state, started_at, heartbeat_at) VALUES ('w', 'ready', {MOMENT}, {MOMENT})"
        )
    schema = schema_of(path)
    upgrade(url_of(path))
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT id, metrics FROM workers").fetchall() == [("w", None)]
        connection.execute("UPDATE workers SET metrics = '{}'")
    command.downgrade(config, "0003")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id, state FROM workers").fetchall() == [("w", "ready")]
    assert schema_of(path) == schema


def test_examples_and_adapters_of_the_fourth_revision_come_through_up_and_down(tmp_path):
    path = tmp_path / "a.db"
    config = configured(url_of(path))
    command.upgrade(config, "0004")
    run = (
        "INSERT INTO training_runs (id, state, base_model, config, seed, metrics, created_at)"
        f" VALUES ('r', 'done', 'pocket', '{{}}', 1, '{{}}', {MOMENT})"
    )
    adapter = f"INSERT INTO adapters VALUES ('a', 'active', 'r', 'pocket', NULL, 'a', '{{}}', {MOMENT}, {MOMENT})"
    columns = {
        "users": "(id, platform, external_id, created_at)",
        "requests": "(id, user_id, kind, is_private, idea, subject, parameters, images, midjourney_version,"
        " num_candidates, avoid, state, created_at, deadline, attempts)",
        "vote_events": "(id, user_id, candidate_id, event_id, thumb, created_at)",
    }
    values = {
        "users": f"('u', 'web', 'U1', {MOMENT})",
        "requests": f"('q', 'u', 'ask', 0, 'a boy', 'a boy', '', '[]', '8.2', 4, '[]', 'done', {MOMENT}, {MOMENT}, 1)",
        "candidates": ROWS_OF_0001["candidates"].replace("'r'", "'q'"),
        "vote_events": f"(7, 'u', 'c', 'e1', 'up', {MOMENT})",
        "training_examples": "('r', 7)",
    }
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in (run, adapter):
            connection.execute(statement)
        for table, row in values.items():
            connection.execute(f"INSERT INTO {table} {columns.get(table, '')} VALUES {row}")
    schema = schema_of(path)
    upgrade(url_of(path))
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT example, label FROM training_examples").fetchall() == [("", None)]
        assert connection.execute("SELECT sha256, reason, num_forgotten FROM adapters").fetchall() == [(None, None, 0)]
        connection.execute("INSERT INTO training_examples VALUES ('r', 7, 'e', 'liked')")
    command.downgrade(config, "0004")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM training_examples").fetchall() == [("r", 7)]
    assert schema_of(path) == schema


def test_presses_of_the_fifth_revision_keep_their_ids_which_are_given_once_from_then_on(tmp_path):
    path = tmp_path / "a.db"
    config = configured(url_of(path))
    command.upgrade(config, "0005")
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, columns, row in PRESSES_OF_0005:
            connection.execute(f"INSERT INTO {table} {columns} VALUES {row}")

    def press_after_the_newest_is_gone() -> int:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM vote_events WHERE id = (SELECT max(id) FROM vote_events)")
            columns = "(user_id, candidate_id, event_id, thumb, created_at)"
            cursor = connection.execute(f"INSERT INTO vote_events {columns} VALUES ('u', 'c', 'e9', 'up', {MOMENT})")
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def kept() -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return [
                *connection.execute("SELECT * FROM vote_events ORDER BY id"),
                *connection.execute("SELECT * FROM votes"),
                *connection.execute("SELECT * FROM training_examples"),
            ]

    old, schema = kept(), schema_of(path)
    assert len(old) == 4
    upgrade(url_of(path))
    assert kept() == old
    command.downgrade(config, "0005")
    assert (kept(), schema_of(path)) == (old, schema)
    upgrade(url_of(path))
    assert press_after_the_newest_is_gone() == 10
    command.downgrade(config, "0005")
    assert press_after_the_newest_is_gone() == 8, "ids went back before"


PRESSES_OF_0005 = (
    ("users", "(id, platform, external_id, created_at)", f"('u', 'web', 'U1', {MOMENT})"),
    (
        "requests",
        "(id, user_id, kind, is_private, idea, subject, parameters, images, midjourney_version, num_candidates, avoid,"
        " state, created_at, deadline, attempts)",
        f"('q', 'u', 'ask', 0, 'a boy', 'a boy', '', '[]', '8.2', 4, '[]', 'done', {MOMENT}, {MOMENT}, 1)",
    ),
    ("candidates", "", ROWS_OF_0001["candidates"].replace("'r'", "'q'")),
    (
        "training_runs",
        "(id, state, base_model, config, seed, metrics, created_at)",
        f"('r', 'done', 'pocket', '{{}}', 1, '{{}}', {MOMENT})",
    ),
    (
        "vote_events",
        "(id, user_id, candidate_id, event_id, thumb, created_at)",
        f"(7, 'u', 'c', 'e1', 'up', {MOMENT}), (9, 'u', 'c', 'e2', 'up', {MOMENT})",
    ),
    ("votes", "", f"('u', 'c', 'up', 7, {MOMENT}, {MOMENT})"),
    ("training_examples", "", "('r', 7, 'e', 'liked')"),
)


def test_the_alembic_command_upgrades_and_checks_a_fresh_database(tmp_path):
    url = url_of(tmp_path / "a.db")
    for arguments in (("upgrade", "head"), ("check",), ("current",)):
        done = run_in_process("-m", "alembic", *arguments, url=url)
        assert done.returncode == 0, done.stderr
    assert f"{head_revision()} (head)" in done.stdout


def test_the_alembic_command_writes_sql_for_postgresql(tmp_path):
    done = run_in_process(
        "-m", "alembic", "upgrade", "head", "--sql", url="postgresql+psycopg://bot@localhost/mjprompt"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("CREATE TABLE") == NUM_TABLES + 1
    assert "TIMESTAMP WITH TIME ZONE" in done.stdout


def test_revisions_are_named_so_that_the_last_by_name_is_the_head():
    script = ScriptDirectory.from_config(Config(ALEMBIC_INI))
    assert script.get_heads() == [head_revision()]
    for revision in script.walk_revisions():
        assert re.fullmatch(r"\d{4}", revision.revision)
        assert Path(revision.path).name.startswith(f"{revision.revision}_")


def test_several_processes_may_upgrade_at_once(tmp_path):
    url = url_of(tmp_path / "a.db")
    code = "import sys; from storage.migrations import upgrade; upgrade(sys.argv[1])"
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, url],
            cwd=PROJECT_ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    require_head(url)


def test_upgrading_leaves_logging_alone(tmp_path):
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("sqlalchemy").level)
    upgrade(url_of(tmp_path / "a.db"))
    assert (root.level, list(root.handlers), logging.getLogger("sqlalchemy").level) == before
    assert not logging.getLogger("alembic").disabled


def test_a_current_database_is_recognised_without_loading_alembic(url):
    code = "import sys; from storage.migrations import upgrade; upgrade(sys.argv[1]);print('alembic' in sys.modules)"
    done = run_in_process("-c", code, url, url=url)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


def test_a_missing_file_has_no_revision_and_is_not_made(tmp_path):
    path = tmp_path / "a.db"
    assert current_revision(url_of(path)) is None
    assert not path.exists()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"The folder .*/nowhere does not exist"):
        upgrade(url_of(tmp_path / "nowhere" / "a.db"))


def test_an_older_database_says_what_to_run(tmp_path):
    url = url_of(tmp_path / "a.db")
    with pytest.raises(StorageError, match=r"at revision none.* run `mjprompt db upgrade`"):
        require_head(url)
    upgrade(url)
    require_head(url)


@pytest.mark.parametrize("act", [upgrade, require_head])
def test_a_newer_database_says_to_update_the_program(url, act):
    with migration_transaction(url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match=r"at revision 9999.*update the program.*`mjprompt db upgrade`"):
        act(url)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "a.db"
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StorageError, match="not a sound SQLite database"):
        upgrade(url_of(path))


def test_a_migration_that_loses_a_parent_row_changes_nothing(url, tmp_path):
    """Foreign keys are off while a table is rebuilt, so the check at the end is what protects the rows."""
    with (
        pytest.raises(StorageError, match=r"a row of consents without the row of users"),
        migration_transaction(url) as connection,
    ):
        connection.exec_driver_sql(f"INSERT INTO consents VALUES (1, 'nobody', 1, {MOMENT})")
    with migration_transaction(url) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM consents").scalar() == 0


def test_rebuilding_a_table_keeps_the_rows_that_refer_to_it(url):
    """A batch migration drops the old table; with foreign keys on, that would delete every user's rows."""
    with migration_transaction(url) as connection:
        connection.exec_driver_sql(
            f"INSERT INTO users (id, platform, external_id, created_at) VALUES ('1', 'web', 'u', {MOMENT})"
        )
        connection.exec_driver_sql(f"INSERT INTO consents VALUES (1, '1', 1, {MOMENT})")
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("users", recreate="always") as batch:
            batch.add_column(Column("shoe_size", Integer))
    with migration_transaction(url) as connection:
        assert connection.exec_driver_sql("SELECT shoe_size FROM users").all() == [(None,)]
        assert connection.exec_driver_sql("SELECT count(*) FROM consents").scalar() == 1


def test_a_missing_driver_is_named():
    with pytest.raises(ConfigError, match=r"needs the driver of postgresql\+psycopg, which is not installed"):
        upgrade("postgresql://bot@localhost/mjprompt")
