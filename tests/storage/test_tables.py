"""What the tables themselves refuse and what they take along when a row goes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import SQLAlchemyOAuthStateStore
from sqlalchemy import MetaData, UniqueConstraint, inspect, select, text
from sqlalchemy.exc import StatementError

from core.errors import StorageError
from core.records import Platform
from storage.identifiers import ID_LENGTH, new_id
from storage.slack_tables import BOTS, INSTALLATIONS, OAUTH_STATES
from storage.tables import METADATA, WorkspaceRow


def workspace(created_at: datetime) -> WorkspaceRow:
    external_id = new_id()
    return WorkspaceRow(
        id=new_id(), platform=Platform.SLACK, external_id=external_id, is_private=False, created_at=created_at
    )


async def test_a_time_without_a_zone_is_refused(database):
    with pytest.raises(StatementError, match=r"2026-01-01T00:00:00 has no time zone") as caught:
        async with database.write() as session:
            session.add(workspace(datetime(2026, 1, 1)))
    assert isinstance(caught.value.orig, ValueError)


async def test_a_time_comes_back_as_aware_utc(database):
    there = datetime(2026, 1, 1, 12, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    async with database.write() as session:
        session.add(workspace(there))
    async with database.read() as session:
        here = (await session.scalars(select(WorkspaceRow.created_at))).one()
    assert here == there
    assert here.tzinfo is UTC


async def test_times_sort_as_they_are_stored(database):
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=step) for step in (0, 1, 10, 10**6)]
    async with database.write() as session:
        session.add_all(workspace(moment) for moment in reversed(moments))
    async with database.read() as session:
        assert list(await session.scalars(text("SELECT created_at FROM workspaces ORDER BY created_at"))) == [
            moment.strftime("%Y-%m-%d %H:%M:%S.%f") for moment in moments
        ]


def test_identifiers_sort_in_the_order_they_were_made():
    made = [new_id() for _ in range(1000)]
    assert made == sorted(set(made))
    assert {len(identifier) for identifier in made} == {ID_LENGTH}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE requests SET state = 'asleep'",
        "UPDATE requests SET state = 'RUNNING'",
        "UPDATE requests SET state = 'running'",
        "UPDATE requests SET lease_token = 'x', lease_expires_at = created_at",
        "UPDATE requests SET lease_expires_at = created_at",
        "UPDATE requests SET num_candidates = 0",
        "UPDATE users SET platform = 'irc'",
        "UPDATE requests SET user_id = 'nobody'",
        "INSERT INTO consents SELECT 1, 'nobody', 1, created_at FROM users",
        "INSERT INTO users (id, platform, external_id, created_at) SELECT 'x', platform, external_id, created_at"
        " FROM users",
        "UPDATE requests SET kind = 'dream'",
        "UPDATE requests SET parent_id = 'nothing'",
        "INSERT INTO feedback (user_id, candidate_id, created_at, updated_at)"
        " SELECT users.id, candidates.id, users.created_at, users.created_at FROM users, candidates",
        "INSERT INTO favorites (user_id, candidate_id, created_at) SELECT id, 'nothing', created_at FROM users",
    ],
)
async def test_a_row_that_breaks_a_rule_is_refused(world, statement):
    await world.answered()
    await world.ask()
    with pytest.raises(StorageError, match="refused a change that breaks its rules"):
        async with world.database.write() as session:
            await session.execute(text(statement))


async def test_one_adapter_of_a_base_model_is_active(database):
    insert = text(
        "INSERT INTO adapters (id, state, base_model, folder, metrics, created_at, updated_at)"
        " VALUES (:id, :state, :base, 'a', '{}', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000')"
    )
    async with database.write() as session:
        for number, (state, base) in enumerate(
            [("active", "pocket"), ("active", "falcon-7b"), ("retired", "pocket"), ("retired", "pocket")]
        ):
            await session.execute(insert, {"id": str(number), "state": state, "base": base})
    with pytest.raises(StorageError, match="refused"):
        async with database.write() as session:
            await session.execute(insert, {"id": "9", "state": "active", "base": "pocket"})


def test_every_constraint_has_a_name_that_fits_postgresql():
    """PostgreSQL cuts names after 63 characters, and a migration could not find a cut one again."""
    names = [part.name for table in METADATA.tables.values() for part in [*table.constraints, *table.indexes]]
    assert len(names) > 50
    assert all(isinstance(name, str) and len(name) <= 63 for name in names)
    assert len(names) == len(set(names))


def test_every_foreign_key_leads_an_index():
    """Deleting a row looks for those that refer to it, in every table; without an index it reads all of them."""
    keys = [key for table in METADATA.tables.values() for key in table.foreign_keys]
    assert len(keys) > 20
    for key in keys:
        table = key.parent.table
        indices = [list(index.columns) for index in table.indexes]
        unique = [list(part.columns) for part in table.constraints if isinstance(part, UniqueConstraint)]
        leading = [columns[0] for columns in [*indices, *unique, list(table.primary_key)]]
        assert key.parent in leading, key.parent


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (INSTALLATIONS, SQLAlchemyInstallationStore.build_installations_table(MetaData(), INSTALLATIONS)),
        (BOTS, SQLAlchemyInstallationStore.build_bots_table(MetaData(), BOTS)),
        (OAUTH_STATES, SQLAlchemyOAuthStateStore.build_oauth_states_table(MetaData(), OAUTH_STATES)),
    ],
)
def test_slacks_tables_equal_its_librarys_but_have_room_for_encrypted_tokens(ours, theirs):
    mine = METADATA.tables[ours]
    assert set(mine.columns.keys()) == set(theirs.columns.keys())
    for column in theirs.columns:
        equal = mine.columns[column.name]
        holds_a_secret = column.name.endswith("_token") or column.name == "incoming_webhook_url"
        assert str(equal.type) == ("TEXT" if holds_a_secret else str(column.type)), column
        assert (equal.nullable, equal.primary_key) == (column.nullable, column.primary_key), column
    named = [{index.name: index.columns.keys() for index in table.indexes} for table in (mine, theirs)]
    assert named[0] == named[1]


def test_every_row_says_what_it_is():
    mappers = list(WorkspaceRow.registry.mappers)
    assert len(mappers) == 20
    assert all(inspect(mapper).class_.__doc__ for mapper in mappers)
