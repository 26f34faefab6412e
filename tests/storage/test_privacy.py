"""What is shown of a person, what they take along and what is deleted are the same rows."""

import asyncio
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import Feedback, FeedbackReason, PrivacyOverview, Thumb
from storage import consents, favorites, feedback, privacy, users, votes
from storage.database import open_database

USERS = ("ann", "bob")
NOTHING = PrivacyOverview(
    num_requests=0, num_candidates=0, num_votes=0, num_feedback=0, num_favorites=0, has_consented=False, adapters=()
)


async def overview(world, user_id: str) -> PrivacyOverview:
    async with world.database.read() as session:
        return await privacy.overview(session, user_id)


async def export(world, user_id: str) -> dict[str, object]:
    async with world.database.read() as session:
        return await privacy.export(session, user_id)


async def act(world, name: str, what: str, candidate_id: str, number: int) -> None:
    if what == "ask":
        await world.answered(name)
        return
    user_id = await world.user(name)
    async with world.database.write() as session:
        match what:
            case "press":
                await votes.press(
                    session,
                    user_id=user_id,
                    candidate_id=candidate_id,
                    thumb=Thumb.UP,
                    event_id=str(number),
                    occurred_at=None,
                )
            case "save":
                await favorites.toggle(session, user_id, candidate_id, event_id=str(number))
            case "say":
                said = Feedback(reason=FeedbackReason.UNSAFE)
                await feedback.give(session, user_id=user_id, candidate_id=candidate_id, feedback=said)
            case "consent":
                await consents.record(session, user_id, is_given=number % 2 == 0)


ACTS = st.lists(
    st.tuples(st.sampled_from(USERS), st.sampled_from(["ask", "press", "save", "say", "consent"]), st.integers(0, 1)),
    max_size=12,
)


@settings(max_examples=20, deadline=None)
@given(acts=ACTS)
def test_what_is_counted_is_what_is_exported_and_what_is_deleted(migrated_file: Path, world_of, acts):
    with TemporaryDirectory() as folder:
        path = shutil.copy(migrated_file, folder)
        asyncio.run(live_and_be_forgotten(world_of, f"sqlite+aiosqlite:///{path}", acts))


async def live_and_be_forgotten(world_of, url: str, acts: list[tuple[str, str, int]]) -> None:
    database = open_database(url)
    world = world_of(database)
    shared = await world.answered("cid")
    for number, (name, what, candidate) in enumerate(acts):
        await act(world, name, what, shared.candidates[candidate].id, number)
    ann, bob = [await world.user(name) for name in USERS]
    of_bob = await overview(world, bob)
    for user_id in (ann, bob):
        assert counts_of(await export(world, user_id)) == counts_of(await overview(world, user_id))
    async with database.write() as session:
        await users.forget(session, ann)
    assert await overview(world, ann) == NOTHING
    assert set(map(repr, (await export(world, ann)).values())) == {"None", "[]"}
    assert await overview(world, bob) == of_bob
    await database.close()


def counts_of(kept: PrivacyOverview | dict) -> tuple[int, ...]:
    if isinstance(kept, PrivacyOverview):
        return (kept.num_requests, kept.num_candidates, kept.num_votes, kept.num_feedback, kept.num_favorites)
    candidates = [candidate for request in kept["requests"] for candidate in request["candidates"]]
    lists = (kept["requests"], candidates, kept["votes"], kept["feedback"], kept["favorites"])
    return tuple(len(rows) for rows in lists)


async def test_an_export_is_plain_json_that_tells_everything(world):
    request, ann = await world.answered("ann"), await world.user("ann")
    candidate = request.candidates[1]
    for number, what in enumerate(("press", "save", "say", "consent", "press", "press")):
        await act(world, "ann", what, candidate.id, 2 * number)
    exported = json.loads(json.dumps(await export(world, ann)))
    assert set(exported) == {"person", "requests", "consents", "votes", "vote_events", "feedback", "favorites"}
    assert exported["person"]["external_id"] == "ann"
    (asked,) = exported["requests"]
    assert (asked["idea"], asked["images"], asked["kind"]) == ("a boy --ar 3:2", ["https://example.org/a.png"], "ask")
    assert asked["created_at"] == request.created_at.isoformat()
    assert [offered["text"] for offered in asked["candidates"]] == ["one", "two"]
    assert [press["thumb"] for press in exported["vote_events"]] == ["up", None, "up"]
    assert [vote["candidate_id"] for vote in exported["votes"]] == [candidate.id]
    assert [said["reason"] for said in exported["feedback"]] == ["unsafe"]
    assert [saved["text"] for saved in exported["favorites"]] == ["two"]
    assert [decision["is_given"] for decision in exported["consents"]] == [True]


async def test_an_export_holds_nothing_of_others_and_no_lease(world):
    request = await world.answered("bob")
    await world.ask("ann")
    claim = await world.claim_one()
    await act(world, "ann", "press", request.candidates[0].id, 0)
    exported = json.dumps(await export(world, await world.user("ann")))
    assert claim.lease_token not in exported
    assert await world.user("bob") not in exported


async def test_consent_and_adapters_are_part_of_the_overview(world):
    await act(world, "ann", "consent", "", 0)
    seen = await overview(world, await world.user("ann"))
    assert (seen.has_consented, seen.adapters) == (True, ())
