"""Messages that follow a cycle of learning, and notes of promotions: each once, whatever dies in between."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text, update

from bot.catalog import Catalogs
from bot.cycle_delivery import MAX_CRASHES, CycleDelivery
from core.cycles import CycleState
from core.errors import PlatformBusy
from core.records import Identity, Platform, TrainingProgress
from core.release_channels import ReleaseChannel
from storage import cycle_messages, cycles, training_runs, users
from storage.cycle_tables import CycleMessageRow
from storage.database import Database, open_database
from storage.states import CycleMessageKind
from storage.training_runs import Owner
from tests.bot.fake_gateway import FakeGateway, FakePlatform, Point
from tests.bot.fake_planner import FakePlanner

S = CycleState
OWNER = Owner("here", 7)
ROWS = [["held-out loss", "2.300", "2.250", "≤ 2.323", "passed"], ["distinct-2", "0.900", "0.500", "≥ 0.855", "failed"]]
CANARY = {
    "champion": {"num_up": 55, "num_down": 45, "num_raters": 12},
    "challenger": {"num_up": 64, "num_down": 36, "num_raters": 14},
}
CHANNEL = ReleaseChannel(platform=Platform.DISCORD, channel_id="77")


@pytest_asyncio.fixture(loop_scope="session")
async def database(tmp_path: Path, empty_database: Path) -> AsyncIterator[Database]:
    file = Path(shutil.copy(empty_database, tmp_path / "cycles.db"))
    database = open_database(f"sqlite+aiosqlite:///{file}")
    yield database
    await database.close()


@pytest.fixture
def world() -> FakePlatform:
    return FakePlatform()


def delivery(database: Database, *channels: ReleaseChannel) -> CycleDelivery:
    return CycleDelivery(database, Catalogs.load(), FakePlanner(), channels)


async def planned(database: Database, *, is_followed: bool = True) -> str:
    async with database.write() as session:
        who = Identity(platform=Platform.DISCORD, external_id="1")
        user_id = await users.ensure_user(session, who)
        cycle_id = await cycles.create(
            session, base_model="pocket", champion_id=None, config={}, is_automatic=False, asked_by=user_id
        )
        if is_followed:
            await cycle_messages.add(
                session,
                cycle_id=cycle_id,
                platform=Platform.DISCORD,
                key=f"live:{cycle_id}",
                kind=CycleMessageKind.LIVE,
                destination={"route": "channel", "language": "en"},
                user_id=user_id,
            )
    return cycle_id


async def advance(database: Database, cycle_id: str, after: CycleState, **values: object) -> None:
    async with database.write() as session:
        before = (await cycles.view(session, cycle_id)).state
        assert await cycles.advance(session, cycle_id, before=before, after=after, **values)


async def look(database: Database, gateway: FakeGateway, *channels: ReleaseChannel) -> None:
    """Have the messages looked at now, however lately they were."""
    async with database.write() as session:
        await session.execute(update(CycleMessageRow).values(next_attempt_at=CycleMessageRow.created_at))
    await delivery(database, *channels).tick(gateway)


async def rows(database: Database) -> list[tuple[str, str, int]]:
    async with database.read() as session:
        found = await session.execute(text("SELECT kind, state, attempts FROM cycle_messages ORDER BY id"))
        return [tuple(row) for row in found]


def shown(world: FakePlatform) -> str:
    [cards] = world.messages.values()
    return "\n".join([cards[-1].note or "", *cards[-1].lines])


async def begin_training(database: Database, cycle_id: str) -> str:
    async with database.write() as session:
        run_id = await training_runs.create(session, base_model="pocket", base_revision=None, config={}, seed=1)
        await training_runs.claim(
            session, run_id, host=OWNER.host, process_id=OWNER.process_id, folder="a", is_alive=lambda _: True
        )
    await advance(database, cycle_id, S.TRAINING, run_id=run_id)
    return run_id


async def report(database: Database, run_id: str, step: int) -> None:
    progress = TrainingProgress(step=step, num_steps=100, loss=2.25, tokens_per_second=90.0, eta_seconds=130.0)
    async with database.write() as session:
        assert await training_runs.report(session, run_id, progress, owner=OWNER)


async def test_one_message_follows_a_cycle_from_its_plan_to_its_end(database: Database, world: FakePlatform) -> None:
    cycle_id, gateway = await planned(database), FakeGateway(world)
    await look(database, gateway)
    assert "Planned" in shown(world)
    run_id = await begin_training(database, cycle_id)
    await report(database, run_id, 50)
    await look(database, gateway)
    assert "▰▰▰▰▰▰▱▱▱▱▱▱ 50 %, step 50 of 100" in shown(world)
    assert "Loss 2.250, about 3 min to go" in shown(world)
    await advance(database, cycle_id, S.EVALUATING)
    await advance(database, cycle_id, S.GATED, gate={"rows": ROWS})
    await look(database, gateway)
    assert "✅ passed · held-out loss: 2.300 → 2.250 (≤ 2.323)" in shown(world)
    assert "❌ failed · distinct-2: 0.900 → 0.500 (≥ 0.855)" in shown(world)
    await advance(database, cycle_id, S.CANARY, canary=CANARY)
    await look(database, gateway)
    assert "64 👍 36 👎 of 14 people, 64 % liked" in shown(world)
    await advance(database, cycle_id, S.REJECTED, reason="People liked the new one less.")
    await look(database, gateway)
    assert "Not promoted" in shown(world)
    assert "People liked the new one less." in shown(world)
    assert await rows(database) == [("live", "sent", 1)]


async def test_message_that_shows_the_present_state_already_is_not_edited(
    database: Database, world: FakePlatform
) -> None:
    await planned(database)
    gateway = FakeGateway(world)
    for _ in range(3):
        await look(database, gateway)
    assert gateway.num_shown == 1
    await delivery(database).tick(gateway)  # a look too early
    assert gateway.num_shown == 1


@pytest.mark.parametrize("point", list(Point))
async def test_bot_killed_anywhere_leaves_one_message_that_the_next_one_goes_on_with(
    database: Database, world: FakePlatform, point: Point
) -> None:
    cycle_id, dying = await planned(database), FakeGateway(world, hang_at=point)
    task = asyncio.create_task(look(database, dying))
    await dying.is_hanging.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await advance(database, cycle_id, S.BUILDING)
    await look(database, FakeGateway(world))
    assert "Making examples" in shown(world)


async def test_message_that_is_gone_goes_on_as_a_direct_one_and_is_given_up_after_that(
    database: Database, world: FakePlatform
) -> None:
    await planned(database)
    gateway = FakeGateway(world)
    world.gone.add("channel")
    await look(database, gateway)
    assert world.messages == {}
    await look(database, gateway)
    assert "Planned" in shown(world)
    world.gone.add("direct")
    async with database.write() as session:
        await session.execute(update(CycleMessageRow).values(shown=None))
    await look(database, gateway)
    assert [state for _, state, _ in await rows(database)] == ["failed"]


async def test_busy_platform_is_waited_for_and_a_fault_of_ours_given_up(
    database: Database, world: FakePlatform
) -> None:
    await planned(database)
    busy = [PlatformBusy("later", retry_after_seconds=0.1) for _ in range(MAX_CRASHES + 2)]
    gateway = FakeGateway(world, errors=[*busy])
    for _ in busy:
        await look(database, gateway)
    assert await rows(database) == [("live", "pending", len(busy))]
    await look(database, gateway)
    assert await rows(database) == [("live", "pending", 0)]
    async with database.write() as session:
        await session.execute(update(CycleMessageRow).values(shown=None))
    broken = FakeGateway(world, errors=[RuntimeError("a fault") for _ in range(MAX_CRASHES)])
    for _ in range(MAX_CRASHES):
        await look(database, broken)
    assert await rows(database) == [("live", "failed", MAX_CRASHES)]


async def test_message_goes_with_the_person_who_asked_for_it(database: Database, world: FakePlatform) -> None:
    await planned(database)
    async with database.write() as session:
        user_id = await users.find_user(session, Identity(platform=Platform.DISCORD, external_id="1"))
        assert user_id is not None
        await users.forget(session, user_id)
    await look(database, FakeGateway(world))
    assert await rows(database) == []
    assert world.messages == {}


async def test_promotion_is_told_once_in_each_channel_and_nothing_else_is(
    database: Database, world: FakePlatform
) -> None:
    rejected = await planned(database, is_followed=False)
    await advance(database, rejected, S.REJECTED, reason="No.")
    cycle_id, gateway = await planned(database, is_followed=False), FakeGateway(world)
    elsewhere = ReleaseChannel(platform=Platform.SLACK, channel_id="C1", workspace_id="T1")
    await look(database, gateway, CHANNEL, elsewhere)
    assert world.messages == {}
    await advance(database, cycle_id, S.PROMOTED, canary=CANARY, reason="People liked it.")
    for _ in range(3):
        await look(database, gateway, CHANNEL, elsewhere)
    assert shown(world).strip() == ("Learned from 0 votes of 0 people; liked share in the canary 64 % against 55 %.")
    assert [row[:2] for row in await rows(database)] == [("note", "sent")]


async def test_channel_that_nobody_can_post_to_is_given_up(database: Database, world: FakePlatform) -> None:
    cycle_id = await planned(database, is_followed=False)
    await advance(database, cycle_id, S.PROMOTED, canary=CANARY)
    world.gone.add("channel")
    for _ in range(2):
        await look(database, FakeGateway(world), CHANNEL)
    assert [row[:2] for row in await rows(database)] == [("note", "failed")]
    assert world.messages == {}


async def test_message_that_one_bot_is_showing_is_left_alone_by_another(
    database: Database, world: FakePlatform
) -> None:
    await planned(database)
    slow, other = FakeGateway(world, hang_at=Point.BEFORE_SHOW), FakeGateway(world)
    first = asyncio.create_task(look(database, slow))
    await slow.is_hanging.wait()
    await delivery(database).tick(other)
    assert other.num_shown == 0
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
