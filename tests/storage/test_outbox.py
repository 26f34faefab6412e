"""The outbox: written once, claimed by one bot at a time, due again when that bot dies, never sent after its end."""

import asyncio

import pytest
from sqlalchemy import text

from core.errors import StorageError
from core.records import OutboxKind, OutboxMessage, Platform
from storage import outbox
from storage.outbox import CLAIM_SECONDS, Outbox
from tests.storage.plans import plans_of

CHATS = (Platform.DISCORD, Platform.SLACK)
THERE = {"route": "channel", "language": "en", "channel": "C1"}


@pytest.fixture
def out(database) -> Outbox:
    return Outbox(database)


async def add(
    world,
    request_id: str,
    *,
    key: str | None = None,
    platform: Platform = Platform.DISCORD,
    kind: OutboxKind = OutboxKind.ANSWER,
    candidate_id: str | None = None,
) -> str:
    async with world.database.write() as session:
        return await outbox.add(
            session,
            request_id=request_id,
            platform=platform,
            key=key or f"{kind}:{request_id}",
            kind=kind,
            destination=THERE,
            candidate_id=candidate_id,
        )


def ids(messages: list[OutboxMessage]) -> list[str]:
    return [message.id for message in messages]


async def row(world, message_id: str) -> dict[str, object]:
    async with world.database.read() as session:
        query = text("SELECT state, error, destination, shown, sent_at, attempts FROM outbox WHERE id = :id")
        return dict((await session.execute(query, {"id": message_id})).mappings().one())


# Writing


async def test_a_message_tells_what_it_is_to_show_and_where(world, out, moved_clock):
    request = await world.answered()
    candidate_id = request.candidates[0].id
    message_id = await add(world, request.id, kind=OutboxKind.SHARE, candidate_id=candidate_id)
    assert await out.due(CHATS, limit=5) == [
        OutboxMessage(
            id=message_id,
            request_id=request.id,
            platform=Platform.DISCORD,
            kind=OutboxKind.SHARE,
            candidate_id=candidate_id,
            destination=THERE,
            shown=None,
            attempts=1,
            created_at=moved_clock.utc_now(),
        )
    ]


async def test_the_same_message_is_written_once_for_each_platform(world, out):
    request = await world.answered()
    first = await add(world, request.id, key="k")
    await out.sent(first, {})
    assert await add(world, request.id, key="k") == first
    assert await add(world, request.id, key="k", platform=Platform.SLACK) != first
    assert (await row(world, first))["state"] == "sent"
    assert await out.count_pending() == 1


async def test_a_message_goes_with_a_request_that_is_rolled_back(world):
    request_id = await world.ask()
    with pytest.raises(RuntimeError):
        async with world.database.write() as session:
            await outbox.add(
                session,
                request_id=request_id,
                platform=Platform.SLACK,
                key="k",
                kind=OutboxKind.ANSWER,
                destination={},
            )
            raise RuntimeError("the rest of the command failed")
    assert await world.count("outbox") == 0


async def test_a_message_needs_its_request(world):
    with pytest.raises(StorageError, match="refused"):
        await add(world, "nothing")


# Due and waiting


async def test_an_answer_waits_until_its_request_has_ended(world, out):
    request_id = await world.ask()
    message_id = await add(world, request_id)
    assert (await out.due(CHATS, limit=5), ids(await out.waiting(CHATS, limit=5))) == ([], [message_id])
    claim = await world.claim_one(request_id)
    assert (await out.due(CHATS, limit=5), ids(await out.waiting(CHATS, limit=5))) == ([], [message_id])
    await world.complete(claim)
    assert (ids(await out.due(CHATS, limit=5)), await out.waiting(CHATS, limit=5)) == ([message_id], [])


async def test_what_is_shared_does_not_wait_for_anything(world, out):
    message_id = await add(world, await world.ask(), kind=OutboxKind.SHARE)
    assert await out.waiting(CHATS, limit=5) == []
    assert ids(await out.due(CHATS, limit=5)) == [message_id]


async def test_each_platform_gets_its_own_messages(world, out):
    request = await world.answered()
    on = {platform: await add(world, request.id, platform=platform) for platform in CHATS}
    assert ids(await out.due([Platform.SLACK], limit=5)) == [on[Platform.SLACK]]
    assert ids(await out.due([Platform.WEB], limit=5)) == []
    assert ids(await out.due(CHATS, limit=5)) == [on[Platform.DISCORD]]


async def test_a_claimed_message_comes_again_only_when_its_bot_died(world, out, moved_clock):
    message_id = await add(world, (await world.answered()).id)
    for attempt in (1, 2, 3):
        (message,) = await out.due(CHATS, limit=5)
        assert (message.id, message.attempts) == (message_id, attempt)
        assert await out.due(CHATS, limit=5) == []
        moved_clock.forward(CLAIM_SECONDS - 1)
        assert await out.due(CHATS, limit=5) == []
        moved_clock.forward(1)


async def test_many_bots_at_once_claim_every_message_once(world, out):
    request = await world.answered()
    written = [await add(world, request.id, key=str(number)) for number in range(20)]
    claims = await asyncio.gather(*(Outbox(world.database).due(CHATS, limit=7) for _ in range(8)))
    while more := await out.due(CHATS, limit=7):
        claims.append(more)
    assert sorted(message.id for claimed in claims for message in claimed) == sorted(written)


async def test_the_longest_due_message_is_claimed_first(world, out, moved_clock):
    request = await world.answered()
    written = []
    for number in range(4):
        written.append(await add(world, request.id, key=str(number)))
        moved_clock.forward(1)
    await out.retry(written[0], after_seconds=0, error="busy")
    taken = [ids(await out.due(CHATS, limit=2)) for _ in range(2)]
    assert taken == [[written[1], written[2]], [written[3], written[0]]]


async def test_waiting_messages_take_turns(world, out, moved_clock):
    written = [await add(world, await world.ask(str(number))) for number in range(5)]
    looks = []
    for _ in range(4):
        moved_clock.forward(1)
        looks += ids(await out.waiting(CHATS, limit=2))
    assert looks == [*written, *written[:3]]


# Afterwards


async def test_a_new_address_shows_nothing_yet(world, out):
    message_id = await add(world, await world.ask())
    await out.shown(message_id, "position 3")
    assert (await out.waiting(CHATS, limit=1))[0].shown == "position 3"
    assert await out.readdress(message_id, {"channel": "C2"})
    (message,) = await out.waiting(CHATS, limit=1)
    assert (message.destination, message.shown) == ({"channel": "C2"}, None)


async def test_a_fault_leaves_the_message_alone_for_a_while(world, out, moved_clock):
    request_id = await world.ask()
    message_id = await add(world, request_id)
    await out.retry(message_id, after_seconds=30, error="Slack asks to wait.")
    assert await out.waiting(CHATS, limit=1) == []
    await world.complete(await world.claim_one(request_id))
    moved_clock.forward(29)
    assert await out.due(CHATS, limit=1) == []
    moved_clock.forward(1)
    assert ids(await out.due(CHATS, limit=1)) == [message_id]
    assert (await row(world, message_id))["error"] == "Slack asks to wait."


async def test_a_sent_message_keeps_no_secret_and_no_fault(world, out):
    message_id = await add(world, (await world.answered()).id)
    await out.retry(message_id, after_seconds=0, error="busy")
    assert await out.sent(message_id, {"channel": "C1"})
    kept = await row(world, message_id)
    assert (kept["state"], kept["destination"], kept["error"]) == ("sent", '{"channel": "C1"}', None)
    assert kept["sent_at"] is not None


async def test_a_message_given_up_says_why(world, out):
    message_id = await add(world, (await world.answered()).id)
    assert await out.failed(message_id, "The channel is gone.", {"channel": "C1"})
    kept = await row(world, message_id)
    assert (kept["state"], kept["error"], kept["sent_at"]) == ("failed", "The channel is gone.", None)
    assert kept["destination"] == '{"channel": "C1"}'


@pytest.mark.parametrize("end", ["sent", "failed", "deleted"])
async def test_nothing_moves_a_message_that_has_ended(world, out, end, moved_clock):
    request = await world.answered()
    message_id = await add(world, request.id)
    async with world.database.write() as session:
        if end == "deleted":
            await session.execute(text("DELETE FROM requests"))
        else:
            await session.execute(text(f"UPDATE outbox SET state = '{end}'"))
    before = await row(world, message_id) if end != "deleted" else None
    assert not await out.readdress(message_id, {})
    assert not await out.sent(message_id, {})
    assert not await out.failed(message_id, "late", {})
    await out.shown(message_id, "late")
    await out.retry(message_id, after_seconds=0, error="late")
    moved_clock.forward(3600)
    assert (await out.due(CHATS, limit=5), await out.waiting(CHATS, limit=5)) == ([], [])
    assert await out.count_pending() == 0
    assert before == (await row(world, message_id) if end != "deleted" else None)


# Speed


@pytest.mark.parametrize("name", ["due", "waiting"])
async def test_a_look_reads_only_what_is_pending_and_up(world, out, name):
    """With 100 000 messages sent, a look must not read one of them."""
    await add(world, await world.ask())
    plans = await plans_of(world.database, getattr(out, name)(CHATS, limit=5))
    assert plans
    for plan in plans:
        assert not [step for step in plan if step.startswith("SCAN")], plan
    assert any("ix_outbox_state_next_attempt_at (state=? AND next_attempt_at<?)" in step for step in plans[0]), plans
