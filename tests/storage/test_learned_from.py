"""From votes to adapters and back: what an adapter learned from, and what becomes of it when somebody is forgotten."""

import pytest
from sqlalchemy import text

from core.cycles import CycleState
from core.errors import NotFound
from core.records import RunState, Thumb
from storage import adapters, cycles, serving, training_runs, users
from storage.adapters import Lineage
from storage.training_runs import UsedVote
from tests.storage.opinions import answered, vote

S = CycleState


async def open_cycle(world) -> tuple[str, str]:
    """Return the ids of a cycle that trains, and of its run, which has not been told what it learns from."""
    async with world.database.write() as session:
        cycle_id = await cycles.create(session, base_model="pocket", champion_id=None, config={}, is_automatic=False)
        run_id = await training_runs.create(session, base_model="pocket", base_revision=None, config={}, seed=1)
        await training_runs.claim(
            session, run_id, host="here", process_id=1, folder="out", is_alive=lambda _trainer: True
        )
        await cycles.advance(session, cycle_id, before=S.PLANNED, after=S.TRAINING, run_id=run_id)
    return cycle_id, run_id


async def describe(world, run_id: str, *used: tuple[int, str, str]) -> int:
    examples = [UsedVote(vote_event_id=event, label=label, example=example) for event, label, example in used]
    async with world.database.write() as session:
        return await training_runs.describe(session, run_id, base_revision=None, dataset_hash="d", examples=examples)


async def finish(world, run_id: str) -> bool:
    async with world.database.write() as session:
        return await training_runs.finish(session, run_id, metrics={}, adapter_folder="out", sha256="f00")


async def lineage(world, adapter_id: str) -> Lineage:
    async with world.database.read() as session:
        return await adapters.lineage(session, adapter_id)


async def forget(world, name: str) -> tuple[str, ...]:
    user_id = await world.user(name)
    async with world.database.write() as session:
        return await users.forget(session, user_id)


async def view(world, cycle_id: str):
    async with world.database.read() as session:
        return await cycles.view(session, cycle_id)


async def trained(world) -> tuple[str, str]:
    """A cycle whose adapter learned from two votes by bob (one in two examples) and one by cid, on what ann asked."""
    first, second = await answered(world)
    presses = [await vote(world, first, "bob", Thumb.UP), await vote(world, second, "bob", Thumb.DOWN)]
    other = await vote(world, first, "cid", Thumb.UP)
    cycle_id, run_id = await open_cycle(world)
    await describe(
        world,
        run_id,
        (presses[0], "liked", "e1"),
        (presses[0], "preferred", "e2"),
        (presses[1], "dispreferred", "e2"),
        (other, "liked", "e1"),
    )
    assert await finish(world, run_id)
    return cycle_id, run_id


async def test_the_id_of_a_press_is_never_given_again(world):
    """Once the newest press was gone with its person, the next one took its id, and lineage named that."""
    first, _ = await answered(world)
    await vote(world, first, "bob", Thumb.UP)
    newest = await vote(world, first, "cid", Thumb.UP)
    await forget(world, "cid")
    assert await vote(world, first, "dan", Thumb.UP) == newest + 1


async def test_an_adapter_tells_its_votes_people_examples_and_cycle(world):
    cycle_id, run_id = await trained(world)
    assert await lineage(world, run_id) == Lineage(
        adapter_id=run_id,
        cycle_id=cycle_id,
        num_votes=3,
        num_people=2,
        num_examples=2,
        num_forgotten=0,
        labels={"liked": 2, "preferred": 1, "dispreferred": 1},
    )


async def test_an_adapter_that_is_not_there_has_no_lineage(world):
    with pytest.raises(NotFound, match="no adapter nowhere"):
        await lineage(world, "nowhere")


async def test_plain_votes_are_told_without_examples_and_only_once(world):
    first, second = await answered(world)
    presses = [await vote(world, first, "bob", Thumb.UP), await vote(world, second, "bob", Thumb.UP)]
    cycle_id, run_id = await open_cycle(world)
    for _ in range(2):  # a run that goes on describes itself again
        async with world.database.write() as session:
            await training_runs.describe(
                session, run_id, base_revision=None, dataset_hash="d", vote_event_ids=[*presses, 10**6]
            )
    await finish(world, run_id)
    found = await lineage(world, run_id)
    assert (found.cycle_id, found.num_votes, found.num_examples, found.labels) == (cycle_id, 2, 0, {})


async def test_a_finished_run_keeps_the_checksum_of_its_weights(world):
    _, run_id = await trained(world)
    async with world.database.write() as session:
        await serving.promote(session, run_id, reason="operator")
        assert (await serving.plan(session, "pocket")).active.sha256 == "f00"


@pytest.mark.parametrize(("name", "num_left", "num_forgotten"), [("bob", 1, 2), ("cid", 2, 1), ("ann", 0, 3)])
async def test_an_adapter_counts_the_votes_that_went_with_their_people(world, name, num_left, num_forgotten):
    _, run_id = await trained(world)
    assert await forget(world, name) == (run_id,)
    found = await lineage(world, run_id)
    assert (found.num_votes, found.num_forgotten) == (num_left, num_forgotten)
    if name != "ann":
        await forget(world, "ann")
        assert (await lineage(world, run_id)).num_forgotten == 3


async def test_an_open_cycle_that_learned_from_somebody_forgotten_is_cancelled_with_its_adapter(world):
    cycle_id, run_id = await trained(world)
    async with world.database.write() as session:
        await cycles.advance(session, cycle_id, before=S.TRAINING, after=S.CANARY, adapter_id=run_id)
        await serving.start_canary(session, run_id)
    await forget(world, "cid")
    seen = await view(world, cycle_id)
    assert (seen.state, seen.reason, seen.adapter) == (S.CANCELLED, cycles.FORGOTTEN, run_id)
    async with world.database.read() as session:
        assert (await session.scalars(text("SELECT state FROM adapters"))).all() == ["rejected"]


async def test_training_on_votes_of_somebody_forgotten_ends_without_an_adapter(world):
    first, _ = await answered(world)
    press = await vote(world, first, "bob", Thumb.UP)
    cycle_id, run_id = await open_cycle(world)
    await describe(world, run_id, (press, "liked", "e1"))
    await forget(world, "bob")
    assert (await view(world, cycle_id)).state is S.CANCELLED
    async with world.database.read() as session:
        run = await training_runs.view(session, run_id)
    assert (run.state, run.error) == (RunState.FAILED, cycles.FORGOTTEN)
    assert not await finish(world, run_id)
    assert await world.count("adapters") == 0


async def test_a_cycle_goes_on_when_somebody_is_forgotten_whom_it_has_not_learned_from(world):
    cycle_id, _ = await trained(world)
    await answered(world, "dee")
    await forget(world, "dee")
    assert (await view(world, cycle_id)).state is S.TRAINING


async def test_who_is_forgotten_between_reading_and_training_is_missed_when_the_run_says_what_it_learns_from(world):
    first, _ = await answered(world)
    press = await vote(world, first, "bob", Thumb.UP)
    cycle_id, run_id = await open_cycle(world)
    other = await vote(world, first, "cid", Thumb.UP)
    await forget(world, "bob")
    used = [(press, "liked", "e1"), (press, "preferred", "e2"), (other, "liked", "e1")]
    assert await describe(world, run_id, *used) == 1
    assert (await view(world, cycle_id)).state is S.TRAINING
    assert await world.count("training_examples") == 1
    assert await describe(world, run_id, used[-1]) == 0


async def test_no_cycle_names_somebody_forgotten(world):
    bob, cid = await world.user("bob"), await world.user("cid")
    async with world.database.write() as session:
        cycle_id = await cycles.create(
            session, base_model="pocket", champion_id=None, config={}, is_automatic=False, asked_by=bob
        )
        await cycles.note(session, cycle_id, feedback={"set_aside": {bob: "burst", cid: "serial"}})
    await forget(world, "bob")
    seen = await view(world, cycle_id)
    assert (seen.asked_by, seen.feedback) == (None, {"set_aside": {"forgotten": "burst", cid: "serial"}})
