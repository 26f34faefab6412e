"""`/settings`: admins of a server that the bot is a member of change them; nobody else, nowhere else."""

import discord
import pytest
from simcord.actors import MemberActor
from simcord.backend.errors import SetupError

from core.records import AuditAction, WorkspaceSettings
from storage import audit
from tests.bot.discord.conftest import World, identity
from tests.bot.discord.raw_events import COMMAND, emit, slash
from tests.bot.discord.reading import private_text, text_of


def admin_of(world: World) -> MemberActor:
    role = world.guild.create_role("Admins", permissions=discord.Permissions(manage_guild=True))
    return world.guild.add_member(world.env.create_user("anna"), roles=[role])


async def settings_of(world: World) -> WorkspaceSettings:
    return await world.services.administration.settings_of(identity(world.alice, world))


async def test_admin_changes_and_sees_the_settings(world: World) -> None:
    admin = admin_of(world)
    changed = await admin.slash(
        world.channel, "settings", version="7", ar="16:9", private=True, quota=20, language="de"
    )
    assert changed.ephemeral
    assert "changed" in text_of(changed.response)
    expected = WorkspaceSettings(
        midjourney_version="7", aspect_ratio="16:9", is_private=True, max_requests_per_day=20, language="de"
    )
    assert await settings_of(world) == expected
    shown = await admin.slash(world.channel, "settings")
    assert "16:9" in text_of(shown.response)
    assert "changed" not in text_of(shown.response)


async def test_settings_that_are_not_given_stay_and_a_dash_goes_back_to_the_default(world: World) -> None:
    admin = admin_of(world)
    await admin.slash(world.channel, "settings", version="7", ar="16:9", quota=20)
    await admin.slash(world.channel, "settings", ar="-", quota=0)
    assert await settings_of(world) == WorkspaceSettings(midjourney_version="7")


async def test_impossible_value_is_refused_and_changes_nothing(world: World) -> None:
    refused = await admin_of(world).slash(world.channel, "settings", ar="wide")
    assert "wide is not a ratio" in private_text(refused)
    assert await settings_of(world) == WorkspaceSettings()


async def test_plain_member_is_not_offered_the_settings(world: World) -> None:
    with pytest.raises(SetupError, match="default-member-permissions"):
        await world.alice.slash(world.channel, "settings", private=True)


async def test_member_who_sends_it_all_the_same_is_refused_and_recorded(world: World) -> None:
    data = slash(world.env, "settings", private=True)
    refused = await emit(world.env, world.alice, world.channel, COMMAND, data)
    assert "Only admins" in private_text(refused)
    assert await settings_of(world) == WorkspaceSettings()
    async with world.database.read() as session:
        [entry] = await audit.recent(session, limit=5)
    assert (entry.action, entry.is_allowed) == (AuditAction.CHANGE_SETTINGS, False)


async def test_admin_of_a_server_without_the_bot_is_refused(world: World) -> None:
    admin = admin_of(world)
    data = slash(world.env, "settings", private=True)
    elsewhere = {
        "guild_id": "999",
        "guild": {"id": "999", "features": [], "locale": "en-US"},
        "authorizing_integration_owners": {"1": str(admin.id)},
    }
    refused = await emit(world.env, admin, world.channel, COMMAND, data, **elsewhere)
    assert "Only admins" in private_text(refused)


async def test_settings_are_not_offered_in_direct_messages(world: World) -> None:
    user = world.env.create_user("dora")
    with pytest.raises(SetupError, match="context"):
        await user.slash("settings")
