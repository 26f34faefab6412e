"""The audit: what was tried, in order; it outlives its people but not their names."""

from core.records import AuditAction
from storage import audit, users
from storage.audit import AuditEntry


async def recent(world, limit: int = 10) -> list[AuditEntry]:
    async with world.database.read() as session:
        return await audit.recent(session, limit=limit)


async def record(world, action: AuditAction, user_id: str | None, *, is_allowed: bool) -> None:
    async with world.database.write() as session:
        await audit.record(
            session,
            action=action,
            user_id=user_id,
            workspace_external_id="server",
            is_allowed=is_allowed,
            details={"adapter": "a1"},
        )


async def test_tries_are_kept_newest_first(world, moved_clock):
    ann = await world.user()
    await record(world, AuditAction.RETRAIN, ann, is_allowed=False)
    await record(world, AuditAction.UNINSTALL, None, is_allowed=True)
    newest, oldest = await recent(world)
    assert (newest.action, newest.user_id, newest.is_allowed) == (AuditAction.UNINSTALL, None, True)
    assert oldest == AuditEntry(
        id=oldest.id,
        action=AuditAction.RETRAIN,
        user_id=ann,
        workspace_external_id="server",
        is_allowed=False,
        details={"adapter": "a1"},
        created_at=moved_clock.utc_now(),
    )
    assert await recent(world, limit=1) == [newest]


async def test_a_try_stays_without_its_person_when_they_are_forgotten(world):
    ann = await world.user()
    await record(world, AuditAction.FORGET, ann, is_allowed=True)
    async with world.database.write() as session:
        await users.forget(session, ann)
    (entry,) = await recent(world)
    assert (entry.action, entry.user_id) == (AuditAction.FORGET, None)
