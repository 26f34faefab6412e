"""People: known by platform and id, kept up to date, and forgotten with everything of theirs."""

from dataclasses import replace

from sqlalchemy import text

from core.records import Feedback, Identity, OutboxKind, Platform, Thumb
from storage import consents, events, favorites, feedback, outbox, users, votes
from storage.belongings import BELONGINGS
from storage.tables import METADATA

ANN = Identity(platform=Platform.DISCORD, external_id="1", display_name="Ann", workspace_external_id="server")
TABLES = (
    "users",
    "requests",
    "candidates",
    "votes",
    "vote_events",
    "consents",
    "seen_events",
    "training_examples",
    "favorites",
    "feedback",
    "outbox",
)


async def ensure(world, identity: Identity) -> str:
    async with world.database.write() as session:
        return await users.ensure_user(session, identity)


async def rows(world, query: str) -> list[tuple[object, ...]]:
    async with world.database.read() as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def test_a_person_is_known_by_platform_and_id(world):
    ann = await ensure(world, ANN)
    assert await ensure(world, ANN) == ann
    assert await ensure(world, replace(ANN, platform=Platform.SLACK)) != ann
    assert await ensure(world, replace(ANN, external_id="2")) != ann
    assert await world.count("users") == 3


async def test_a_person_who_is_known_already_is_not_written_again(world):
    """Every press comes by here, so it must not cost a write."""
    await ensure(world, ANN)
    async with world.database.read() as session:
        assert await users.ensure_user(session, ANN) == await users.find_user(session, ANN)
        assert await users.ensure_user(session, replace(ANN, display_name=None)) is not None


async def test_finding_makes_nobody(world):
    async with world.database.read() as session:
        assert await users.find_user(session, ANN) is None
    ann = await ensure(world, ANN)
    async with world.database.read() as session:
        assert await users.find_user(session, ANN) == ann


async def test_name_language_and_workspace_follow_the_person(world):
    await ensure(world, replace(ANN, locale="en"))
    query = (
        "SELECT display_name, locale, workspaces.external_id"
        " FROM users LEFT JOIN workspaces ON workspaces.id = workspace_id"
    )
    for changed, kept in (
        ({"locale": "de"}, ("Ann", "de", "server")),
        ({"display_name": "Anna"}, ("Anna", "de", "server")),
        ({"display_name": None, "workspace_external_id": "other"}, ("Anna", "de", "other")),
        ({"display_name": None, "workspace_external_id": None}, ("Anna", "de", None)),
    ):
        await ensure(world, replace(ANN, **changed))
        assert await rows(world, query) == [kept]
    assert await world.count("workspaces") == 2


async def test_a_request_keeps_where_it_was_asked(world):
    for workspace in ("here", "there", None):
        await world.ask("ann", workspace=workspace)
    query = (
        "SELECT external_id FROM requests LEFT JOIN workspaces ON workspaces.id = requests.workspace_id"
        " ORDER BY requests.id"
    )
    assert await rows(world, query) == [("here",), ("there",), (None,)]


async def live_a_little(world, name: str) -> str:
    """Leave one of everything; of remembered events one that led to a request and one that led to none."""
    user_id, request = await world.user(name), await world.answered(name)
    candidate_id = request.candidates[0].id
    async with world.database.write() as session:
        await votes.cast(session, user_id=user_id, candidate_id=candidate_id, thumb=Thumb.UP, event_id="1")
        await consents.record(session, user_id, is_given=True)
        await events.remember(session, Platform.DISCORD, f"ask of {name}", request.id)
        await favorites.toggle(session, user_id, candidate_id, event_id=f"save of {name}")
        await feedback.give(session, user_id=user_id, candidate_id=candidate_id, feedback=Feedback(correction="better"))
        await outbox.add(
            session,
            request_id=request.id,
            platform=Platform.DISCORD,
            key=request.id,
            kind=OutboxKind.ANSWER,
            destination={},
        )
    return user_id


async def learn_from_everything(world, adapter: str) -> None:
    """A finished run that saw every vote event there is, and its adapter."""
    moment = "'2026-01-01 00:00:00.000000'"
    async with world.database.write() as session:
        await session.execute(
            text(
                "INSERT INTO training_runs (id, state, base_model, config, seed, metrics, created_at)"
                f" VALUES ('run {adapter}', 'done', 'pocket', '{{}}', 1, '{{}}', {moment})"
            )
        )
        learn = "INSERT INTO training_examples (run_id, vote_event_id) SELECT 'run {adapter}', id FROM vote_events"
        await session.execute(text(learn.format(adapter=adapter)))
        await session.execute(
            text(
                "INSERT INTO adapters"
                " (id, state, training_run_id, base_model, folder, metrics, created_at, updated_at)"
                f" VALUES ('{adapter}', 'canary', 'run {adapter}', 'pocket', 'a', '{{}}', {moment}, {moment})"
            )
        )


async def forget(world, user_id: str) -> tuple[str, ...]:
    async with world.database.write() as session:
        return await users.forget(session, user_id)


async def counts(world) -> dict[str, int]:
    return {table: await world.count(table) for table in TABLES}


async def test_forgetting_a_user_deletes_everything_of_theirs_and_nothing_of_others(world):
    ann, bob = await live_a_little(world, "ann"), await live_a_little(world, "bob")
    await learn_from_everything(world, "first")
    before = await counts(world)
    await forget(world, ann)
    after = await counts(world)
    assert before == {table: 2 * count for table, count in after.items()}
    assert all(after.values())
    assert set(await rows(world, "SELECT user_id FROM seen_events")) == {(bob,)}
    assert await rows(world, "SELECT external_id FROM users") == [("bob",)]
    assert await world.count("training_runs") == 1


def test_all_that_hangs_below_a_person_is_a_belonging_and_nothing_else():
    """Only what is a belonging is shown, exported and deleted; what outlives a person on purpose loses their id."""
    keys = [key for table in METADATA.tables.values() for key in table.foreign_keys if key.column.table.name == "users"]
    below = {key.parent.table.name for key in keys}
    unnamed = {key.parent.table.name for key in keys if key.ondelete == "SET NULL"}
    assert unnamed == {"audit_events", "cycles", "promotions"}
    assert below - unnamed == {belonging.row.__tablename__ for belonging in BELONGINGS} - {
        "candidates",
        "outbox",
    }
    assert len(BELONGINGS) == 10


async def test_forgetting_lists_the_adapters_that_had_learned_from_them(world):
    ann = await live_a_little(world, "ann")
    await learn_from_everything(world, "first")
    bob = await live_a_little(world, "bob")
    await learn_from_everything(world, "second")
    cid = await world.user("cid")
    assert await forget(world, bob) == ("second",)
    assert await forget(world, ann) == ("first", "second")
    assert await forget(world, cid) == ()


async def test_an_adapter_learned_from_the_asker_when_somebody_else_voted(world):
    request, bob = await world.answered("ann"), await world.user("bob")
    async with world.database.write() as session:
        await votes.cast(session, user_id=bob, candidate_id=request.candidates[0].id, thumb=Thumb.UP, event_id="1")
    await learn_from_everything(world, "first")
    assert await forget(world, await world.user("ann")) == ("first",)
    assert await counts(world) == {**dict.fromkeys(TABLES, 0), "users": 1}


async def test_forgetting_somebody_unknown_changes_nothing(world):
    await live_a_little(world, "ann")
    before = await counts(world)
    assert await forget(world, "nobody") == ()
    assert await counts(world) == before


async def test_a_forgotten_users_running_request_is_not_answered(world):
    await world.ask("ann")
    claim = await world.claim_one()
    await forget(world, await world.user("ann"))
    assert await world.queue.heartbeat([claim]) == frozenset()
    assert not await world.complete(claim)
    assert await world.count("candidates") == 0
