"""Each answer is shown exactly once, whenever the bot dies; nobody waits for somebody else's platform."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bot.actions import Action
from bot.cards import Card
from bot.delivery import Delivery
from bot.message_locks import MessageLocks
from bot.progress import Progress
from bot.sending import MAX_CRASHES, Sender
from core.errors import PlatformBusy, StorageBusy
from core.records import Destination, OutboxMessage, Platform, RequestView
from storage import clock
from storage.outbox import CLAIM_SECONDS, Outbox
from storage.states import OutboxState
from storage.tables import OutboxRow
from tests.bot.conftest import Site
from tests.bot.fake_gateway import FakeGateway, FakePlatform, Point
from tests.bot.people import ANNA, SLACK_ANNA, answered

WAITING_CARD = Card(title="a boy", note="Waiting")


class HangingOutbox(Outbox):
    """Hangs where the bot is to be killed between the platform's answer and the row's change."""

    def __init__(self, site: Site, method: str) -> None:
        super().__init__(site.database)
        self._method = method
        self.is_hanging = asyncio.Event()

    async def readdress(self, message_id: str, destination: Destination) -> bool:
        await self._pass("readdress")
        return await super().readdress(message_id, destination)

    async def sent(self, message_id: str, destination: Destination) -> bool:
        await self._pass("sent")
        return await super().sent(message_id, destination)

    async def _pass(self, method: str) -> None:
        if method == self._method:
            self.is_hanging.set()
            await asyncio.Event().wait()


class BusyOutbox(Outbox):
    """Finds the database locked a number of times, wherever it is asked."""

    def __init__(self, site: Site, *, failures: int) -> None:
        super().__init__(site.database)
        self.failures = failures

    async def due(self, platforms: object, *, limit: int) -> list[OutboxMessage]:
        self._pass()
        return await super().due([Platform.DISCORD], limit=limit)

    async def sent(self, message_id: str, destination: Destination) -> bool:
        self._pass()
        return await super().sent(message_id, destination)

    async def retry(self, message_id: str, *, after_seconds: float, error: str) -> None:
        self._pass()
        await super().retry(message_id, after_seconds=after_seconds, error=error)

    def _pass(self) -> None:
        if self.failures:
            self.failures -= 1
            raise StorageBusy("locked")


def delivery(site: Site, *gateways: FakeGateway, outbox: Outbox | None = None) -> Delivery:
    return Delivery(outbox or Outbox(site.database), site.services, gateways, site.database)


def place(world: FakePlatform, *, is_open: bool, number: int = 0) -> Destination:
    """Return where an answer goes: into a message that is there already, or into one still to be posted."""
    if not is_open:
        return {"language": "en", "route": "channel"}
    message_id = world.post(WAITING_CARD, nonce=f"interaction {number}")
    return {"language": "en", "route": "token", "token": "secret-token", "message_id": message_id}


async def rows(site: Site) -> list[OutboxRow]:
    async with site.database.read() as session:
        return list(await session.scalars(select(OutboxRow).order_by(OutboxRow.id)))


async def killed_when(hanging: asyncio.Event, running: Delivery) -> None:
    """Run a delivery until it hangs, then end it there."""
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(10):
        await hanging.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.02)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what moves the clock past the claims of a bot that died."""

    def move() -> None:
        now = clock.utc_now()
        monkeypatch.setattr(clock, "utc_now", lambda: now + timedelta(seconds=CLAIM_SECONDS + 60))

    return move


async def answered_at(site: Site, destination: Destination) -> RequestView:
    return await answered(site, ANNA, await site.service.ask(ANNA, "a boy", reply_to=destination))


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("killed_at", [*Point, "readdress", "sent"])
async def test_bot_killed_at_any_point_shows_the_answer_exactly_once_after_its_restart(
    site: Site, later: Callable[[], None], killed_at: str, is_open: bool
) -> None:
    is_opening = killed_at in (Point.BEFORE_OPEN, Point.AFTER_OPEN, "readdress")
    world = FakePlatform()
    view = await answered_at(site, place(world, is_open=is_open and not is_opening))
    gateway, outbox = FakeGateway(world), HangingOutbox(site, killed_at)
    gateway.hang_at = Point(killed_at) if killed_at in set(Point) else None
    hanging = outbox.is_hanging if gateway.hang_at is None else gateway.is_hanging
    await killed_when(hanging, delivery(site, gateway, outbox=outbox))
    assert [row.state for row in await rows(site)] == [OutboxState.PENDING]

    later()
    assert await delivery(site, FakeGateway(world)).deliver_due() == 1
    assert len(world.messages) == len(world.answers) == 1
    shown = world.messages[world.answers[0]][-1]
    assert [candidate.prompt for candidate in shown.candidates] == [candidate.text for candidate in view.candidates]
    assert [row.state for row in await rows(site)] == [OutboxState.SENT]
    later()
    assert await delivery(site, FakeGateway(world)).deliver_due() == 0


async def test_answer_is_never_posted_but_only_edited_in(site: Site) -> None:
    world = FakePlatform()
    await answered_at(site, place(world, is_open=False))
    await delivery(site, FakeGateway(world)).deliver_due()
    placeholder, answer = world.messages[world.answers[0]]
    assert placeholder.candidates == ()
    assert len(answer.candidates) == 4


async def test_open_request_is_not_due(site: Site) -> None:
    site.worker.pause()
    world = FakePlatform()
    await site.service.ask(ANNA, "a boy", reply_to=place(world, is_open=True))
    assert await delivery(site, FakeGateway(world)).deliver_due() == 0
    assert world.answers == []


async def test_expired_address_falls_back_to_the_next_and_secrets_are_not_kept(site: Site) -> None:
    world = FakePlatform()
    world.gone = {"token", "channel"}
    await answered_at(site, place(world, is_open=True))
    await delivery(site, FakeGateway(world)).deliver_due()
    assert world.answers == ["m2"]
    (row,) = await rows(site)
    assert (row.state, row.destination["route"]) == (OutboxState.SENT, "direct")
    assert "secret-token" not in str(row.destination)


async def test_sent_message_keeps_no_secret_of_the_address_that_worked(site: Site) -> None:
    world = FakePlatform()
    await answered_at(site, place(world, is_open=True))
    await delivery(site, FakeGateway(world)).deliver_due()
    assert "secret-token" not in str((await rows(site))[0].destination)


async def test_message_without_any_address_left_fails_and_the_answer_stays_in_history(site: Site) -> None:
    world = FakePlatform()
    world.gone = {"token", "channel", "direct"}
    await answered_at(site, place(world, is_open=True))
    assert await delivery(site, FakeGateway(world)).deliver_due() == 1
    (row,) = await rows(site)
    assert (row.state, row.error) == (OutboxState.FAILED, "The direct is gone.")
    assert "secret-token" not in str(row.destination)
    (kept,) = await site.service.history(ANNA, before=None, limit=5)
    assert len(kept.candidates) == 4


async def test_busy_platform_is_left_alone_for_as_long_as_it_asks(site: Site, later: Callable[[], None]) -> None:
    world = FakePlatform()
    await answered_at(site, place(world, is_open=True))
    busy = FakeGateway(world, errors=[PlatformBusy("Too many requests.", retry_after_seconds=40)])
    before = clock.utc_now()
    assert await delivery(site, busy).deliver_due() == 1
    (row,) = await rows(site)
    assert (row.state, row.error) == (OutboxState.PENDING, "Too many requests.")
    assert row.next_attempt_at >= before + timedelta(seconds=40)
    assert await delivery(site, busy).deliver_due() == 0
    later()
    assert await delivery(site, busy).deliver_due() == 1
    assert len(world.answers) == 1


async def test_platform_that_stays_out_of_reach_for_a_day_gets_no_more_tries(site: Site) -> None:
    world = FakePlatform()
    await answered_at(site, place(world, is_open=True))
    async with site.database.write() as session:
        await session.execute(update(OutboxRow).values(created_at=clock.utc_now() - timedelta(hours=25)))
    await delivery(site, FakeGateway(world, errors=[PlatformBusy("away")])).deliver_due()
    assert [row.state for row in await rows(site)] == [OutboxState.FAILED]


async def test_message_that_takes_too_long_is_tried_again(site: Site, later: Callable[[], None]) -> None:
    world = FakePlatform()
    await answered_at(site, place(world, is_open=True))
    outbox = Outbox(site.database)
    sender = Sender(outbox, site.services.catalogs, site.database, MessageLocks(), timeout_seconds=0.1)
    (message,) = await outbox.due([Platform.DISCORD], limit=1)
    await sender.send(FakeGateway(world, hang_at=Point.BEFORE_SHOW), message)
    (row,) = await rows(site)
    assert (row.state, row.error) == (OutboxState.PENDING, "No answer from the platform within 0.1 s.")
    later()
    await delivery(site, FakeGateway(world)).deliver_due()
    assert len(world.answers) == 1


async def test_message_that_can_never_be_drawn_fails_at_last_without_holding_up_the_next(
    site: Site, later: Callable[[], None]
) -> None:
    world = FakePlatform()
    await answered_at(site, {"language": "en"})  # no address at all
    await answered_at(site, place(world, is_open=True))
    assert await delivery(site, FakeGateway(world)).deliver_due() == 2
    assert len(world.answers) == 1
    assert sorted(row.state for row in await rows(site)) == [OutboxState.PENDING, OutboxState.SENT]
    for _ in range(MAX_CRASHES - 1):
        later()
        assert await delivery(site, FakeGateway(world)).deliver_due() == 1
    assert sorted(row.state for row in await rows(site)) == [OutboxState.FAILED, OutboxState.SENT]


async def test_fault_that_is_over_the_next_time_loses_no_answer(site: Site, later: Callable[[], None]) -> None:
    """One unexpected exception used to give the message up for good, and its address with it."""
    world = FakePlatform()
    await answered_at(site, place(world, is_open=True))
    gateway = FakeGateway(world, errors=[RuntimeError("Session is closed")])
    assert await delivery(site, gateway).deliver_due() == 1
    later()
    assert await delivery(site, gateway).deliver_due() == 1
    assert len(world.answers) == 1
    assert [row.state for row in await rows(site)] == [OutboxState.SENT]


async def test_fault_while_the_database_is_locked_does_not_end_the_delivery(site: Site) -> None:
    """Giving a crashed message up in a locked database used to end the delivery to the whole platform."""
    world = FakePlatform()
    await answered_at(site, place(world, is_open=True))
    outbox = BusyOutbox(site, failures=0)
    (message,) = await outbox.due([Platform.DISCORD], limit=1)
    outbox.failures = 1
    sender = Sender(outbox, site.services.catalogs, site.database, MessageLocks())
    await sender.send(FakeGateway(world, errors=[RuntimeError("bug")]), message)
    assert (outbox.failures, [row.state for row in await rows(site)]) == (0, [OutboxState.PENDING])


async def test_deleted_request_takes_its_message_along(site: Site) -> None:
    world = FakePlatform()
    view = await answered_at(site, place(world, is_open=True))
    outbox = Outbox(site.database)
    sender = Sender(outbox, site.services.catalogs, site.database, MessageLocks())
    (message,) = await outbox.due([Platform.DISCORD], limit=1)
    await site.service.delete(ANNA, view.id)
    await sender.send(FakeGateway(world), message)
    assert (await rows(site), world.answers) == ([], [])


async def test_locked_database_is_survived_and_the_answer_shown_once(site: Site, later: Callable[[], None]) -> None:
    world = FakePlatform()
    await answered_at(site, place(world, is_open=True))
    outbox = BusyOutbox(site, failures=1)
    assert await delivery(site, FakeGateway(world), outbox=outbox).deliver_due() == 0
    outbox.failures = 0
    (message,) = await outbox.due([Platform.DISCORD], limit=1)
    outbox.failures = 1
    sender = Sender(outbox, site.services.catalogs, site.database, MessageLocks())
    await sender.send(FakeGateway(world), message)
    assert [row.state for row in await rows(site)] == [OutboxState.PENDING]
    later()
    await delivery(site, FakeGateway(world)).deliver_due()
    assert len(world.messages) == len(world.answers) == 1
    assert [row.state for row in await rows(site)] == [OutboxState.SENT]


async def test_hanging_platform_does_not_hold_up_the_other(site: Site) -> None:
    discord, slack = FakePlatform(), FakePlatform()
    for number in range(10):
        await site.service.ask(ANNA, "a boy", reply_to=place(discord, is_open=True, number=number))
    asked = await site.service.ask(SLACK_ANNA, "a boy", reply_to=place(slack, is_open=True))
    hanging = FakeGateway(discord, hang_at=Point.BEFORE_SHOW)
    working = FakeGateway(slack, platform=Platform.SLACK)
    running = asyncio.create_task(delivery(site, hanging, working).run())
    try:
        await answered(site, SLACK_ANNA, asked)
        await until(lambda: bool(slack.answers))
        assert discord.answers == []
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_many_answers_are_each_shown_once_by_a_running_delivery(site: Site) -> None:
    world = FakePlatform()
    gateway = FakeGateway(world)
    running = asyncio.create_task(delivery(site, gateway).run())
    try:
        for number in range(30):
            await site.service.ask(ANNA, f"idea {number}", reply_to=place(world, is_open=True, number=number))
        await until(lambda: len(world.answers) == 30)
        await asyncio.sleep(0.6)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    assert len(world.messages) == 30
    assert [sum(bool(card.candidates) for card in cards) for cards in world.messages.values()] == [1] * 30
    assert {row.state for row in await rows(site)} == {OutboxState.SENT}


async def test_share_is_shown_to_everybody_without_buttons(site: Site) -> None:
    world = FakePlatform()
    view = await answered_at(site, place(world, is_open=True))
    target = {"language": "de", "route": "channel"}
    await site.service.share(ANNA, view.candidates[1].id, event_id="press-1", reply_to=target)
    await delivery(site, FakeGateway(world)).deliver_due()
    shared = world.messages["m2"][-1]
    assert [candidate.prompt for candidate in shared.candidates] == [view.candidates[1].text]
    assert shared.title == "Geteilt: a boy"


def progress(site: Site, locks: MessageLocks | None = None, *, num_platforms: int = 1) -> Progress:
    outbox = Outbox(site.database)
    return Progress(outbox, site.services.catalogs, site.database, locks or MessageLocks(), num_platforms=num_platforms)


async def test_progress_shows_the_place_in_the_line_once_until_it_changes(site: Site) -> None:
    site.worker.pause()
    world = FakePlatform()
    await site.service.ask(ANNA, "first")
    await site.service.ask(ANNA, "second", reply_to=place(world, is_open=True))
    gateway, showing = FakeGateway(world), progress(site)
    for _ in range(3):
        assert await showing.tick(gateway) == 0
    assert gateway.num_shown == 1
    card = world.messages["m1"][-1]
    assert card.note is not None
    assert card.note.startswith("Place 2 in the line")
    assert [button.action for button in card.buttons] == [Action.CANCEL]
    assert (await rows(site))[0].shown == "queued:2"


async def test_progress_edits_one_message_at_most_every_three_seconds(site: Site) -> None:
    site.worker.pause()
    world = FakePlatform()
    first = await site.service.ask(ANNA, "first")
    await site.service.ask(ANNA, "second", reply_to=place(world, is_open=True))
    gateway, showing = FakeGateway(world), progress(site)
    await showing.tick(gateway)
    await site.service.cancel(ANNA, first.id)
    await showing.tick(gateway)
    assert gateway.num_shown == 1
    await progress(site).tick(gateway)  # one that remembers no edit, as after those seconds
    assert gateway.num_shown == 2


async def test_progress_edits_five_messages_a_tick_at_most_and_all_of_them_in_turn(site: Site) -> None:
    site.worker.pause()
    world = FakePlatform()
    for number in range(12):
        await site.service.ask(ANNA, f"idea {number}", reply_to=place(world, is_open=True, number=number))
    gateway, showing = FakeGateway(world), progress(site)
    edits = []
    for _ in range(3):
        await showing.tick(gateway)
        edits.append(gateway.num_shown)
    assert edits == [5, 10, 12]
    assert all(len(cards) == 2 for cards in world.messages.values())


async def test_progress_waits_as_long_as_the_platform_asks_and_survives_what_is_gone(site: Site) -> None:
    site.worker.pause()
    world = FakePlatform()
    await site.service.ask(ANNA, "first", reply_to=place(world, is_open=True))
    busy = FakeGateway(world, errors=[PlatformBusy("slow down", retry_after_seconds=9), RuntimeError("bug")])
    showing = progress(site)
    assert await showing.tick(busy) == 9
    assert await showing.tick(busy) == 0
    world.gone = {"token"}
    assert await showing.tick(FakeGateway(world)) == 0
    assert [row.state for row in await rows(site)] == [OutboxState.PENDING]


async def test_slow_progress_edit_never_lands_on_top_of_the_answer(site: Site) -> None:
    """An edit on its way when the answer came used to show the place in the line again, for ever."""
    site.worker.pause()
    world = FakePlatform()
    request = await site.service.ask(ANNA, "a boy", reply_to=place(world, is_open=True))
    locks, outbox = MessageLocks(), Outbox(site.database)
    (message,) = await outbox.waiting([Platform.DISCORD], limit=1)
    async with locks.of(message.id):  # an edit is on its way
        late = asyncio.create_task(progress(site, locks).tick(FakeGateway(world)))
        site.worker.resume()
        await answered(site, ANNA, request)
        (due,) = await outbox.due([Platform.DISCORD], limit=1)
        sender = Sender(outbox, site.services.catalogs, site.database, locks)
        sending = asyncio.create_task(sender.send(FakeGateway(world), due))
        await asyncio.sleep(0.1)
        assert world.answers == []
    await asyncio.gather(late, sending)
    assert len(world.answers) == 1
    assert len(world.messages["m1"]) == 2


async def test_progress_posts_a_message_where_there_is_none_and_the_answer_goes_into_it(site: Site) -> None:
    """Slack's acknowledgement makes no message: nothing was seen of a request there until its answer came."""
    site.worker.pause()
    world = FakePlatform()
    asked = await site.service.ask(ANNA, "a boy", reply_to=place(world, is_open=False))
    gateway, locks = FakeGateway(world, hang_at=Point.BEFORE_SHOW), MessageLocks()
    looking = asyncio.create_task(progress(site, locks).tick(gateway))
    await gateway.is_hanging.wait()  # it is posted, and its address is kept

    site.worker.resume()
    await answered(site, ANNA, asked)
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
    gateway.hang_at = None
    await delivery(site, gateway).deliver_due()

    assert list(world.messages) == ["m1"]
    assert world.answers == ["m1"]


async def test_answer_that_was_claimed_before_progress_posted_its_message_goes_into_that_one(site: Site) -> None:
    site.worker.pause()
    world = FakePlatform()
    asked = await site.service.ask(ANNA, "a boy", reply_to=place(world, is_open=False))
    outbox, gateway = Outbox(site.database), FakeGateway(world)
    [stale] = await outbox.waiting([Platform.DISCORD], limit=1)
    await progress(site).tick(gateway)
    assert len(world.messages) == 1

    site.worker.resume()
    await answered(site, ANNA, asked)
    await Sender(outbox, site.services.catalogs, site.database, MessageLocks()).send(gateway, stale)

    assert list(world.messages) == ["m1"]
    assert world.answers == ["m1"]
