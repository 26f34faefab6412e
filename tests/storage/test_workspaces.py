"""Workspaces: their settings, and forgetting one with all that was asked there."""

from core.records import OutboxKind, Platform, WorkspaceSettings
from storage import outbox, workspaces

DECIDED = WorkspaceSettings(
    midjourney_version="7", aspect_ratio="16:9", is_private=True, max_requests_per_day=5, language="de"
)


async def settings_of(world, external_id: str | None, platform: Platform = Platform.DISCORD) -> WorkspaceSettings:
    async with world.database.read() as session:
        return await workspaces.settings_of(session, platform, external_id)


async def change(world, external_id: str, settings: WorkspaceSettings) -> None:
    async with world.database.write() as session:
        await workspaces.change(session, Platform.DISCORD, external_id, settings)


async def forget(world, external_id: str) -> int:
    async with world.database.write() as session:
        return await workspaces.forget(session, Platform.DISCORD, external_id)


async def test_nothing_is_decided_at_first(world):
    await world.user("ann", workspace="server")
    for external_id in ("server", "never seen", None):
        assert await settings_of(world, external_id) == WorkspaceSettings()


async def test_settings_are_kept_whole_for_one_workspace_of_one_platform(world):
    await world.user("ann", workspace="known")
    for external_id in ("known", "new"):
        await change(world, external_id, DECIDED)
        assert await settings_of(world, external_id) == DECIDED
    assert await settings_of(world, "known", Platform.SLACK) == WorkspaceSettings()
    await change(world, "known", WorkspaceSettings(language="en"))
    assert await settings_of(world, "known") == WorkspaceSettings(language="en")
    await world.user("bob", workspace="known")
    assert await settings_of(world, "known") == WorkspaceSettings(language="en")


async def test_forgetting_takes_what_was_asked_there_and_nothing_else(world):
    request = await world.answered("ann", workspace="server")
    await world.ask("bob", workspace="server")
    kept = [await world.ask("ann", workspace="other"), await world.ask("bob")]
    await change(world, "server", DECIDED)
    async with world.database.write() as session:
        await outbox.add(
            session,
            request_id=request.id,
            platform=Platform.DISCORD,
            key="k",
            kind=OutboxKind.ANSWER,
            destination={},
        )
    assert await forget(world, "server") == 2
    assert await settings_of(world, "server") == WorkspaceSettings()
    assert [(await world.view(request_id)).id for request_id in kept] == kept
    for table, left in {"requests": 2, "candidates": 0, "outbox": 0, "users": 2, "workspaces": 1}.items():
        assert await world.count(table) == left, table
    assert await forget(world, "server") == 0
    assert await forget(world, "never seen") == 0
