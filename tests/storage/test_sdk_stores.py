"""Slack's own stores work on our database, on the tables that our migrations make, beside our own transactions."""

import asyncio
from datetime import UTC, datetime

import pytest
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.sqlalchemy import AsyncSQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import AsyncSQLAlchemyOAuthStateStore
from sqlalchemy import text

LONG_TOKEN = "gAAAA" * 80  # what encrypting makes of a token


@pytest.fixture
def installations(database) -> AsyncSQLAlchemyInstallationStore:
    return AsyncSQLAlchemyInstallationStore("client", database.engine_for_sdk())


def installation(team: str) -> Installation:
    return Installation(
        app_id="A1",
        team_id=team,
        user_id="U1",
        bot_id="B1",
        bot_user_id="U2",
        bot_token=LONG_TOKEN,
        bot_refresh_token=LONG_TOKEN,
        bot_scopes=["commands", "chat:write"],
        installed_at=datetime(2026, 1, 1, tzinfo=UTC).timestamp(),
    )


async def test_an_installation_is_kept_found_and_deleted(world, installations):
    await installations.async_save(installation("T1"))
    await installations.async_save(installation("T2"))
    found = await installations.async_find_bot(enterprise_id=None, team_id="T1")
    assert (found.bot_token, found.bot_refresh_token, found.bot_scopes) == (
        LONG_TOKEN,
        LONG_TOKEN,
        ["commands", "chat:write"],
    )
    assert (await installations.async_find_installation(enterprise_id=None, team_id="T1")).user_id == "U1"
    await installations.async_delete_all(enterprise_id=None, team_id="T1")
    assert await installations.async_find_bot(enterprise_id=None, team_id="T1") is None
    assert (await world.count("slack_installations"), await world.count("slack_bots")) == (1, 1)


async def test_an_oauth_state_is_taken_once(database):
    states = AsyncSQLAlchemyOAuthStateStore(expiration_seconds=60, engine=database.engine_for_sdk())
    state = await states.async_issue()
    assert await states.async_consume(state)
    assert not await states.async_consume(state)
    assert not await states.async_consume("never issued")


async def test_the_sdk_and_our_own_writers_take_turns(world, installations):
    saved = [installations.async_save(installation(f"T{number}")) for number in range(10)]
    await asyncio.gather(*saved, *(world.user(f"user {number}") for number in range(10)))
    assert (await world.count("slack_bots"), await world.count("users")) == (10, 10)
    async with world.database.read() as session:
        assert await session.scalar(text("SELECT max(length(bot_token)) FROM slack_bots")) == len(LONG_TOKEN)
