"""What serves, what it takes to begin to serve, and the way back."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from core.cycles import AdapterFiles, CycleState, ServingPlan, Tally
from core.errors import NotFound
from core.records import CandidateDraft, ModelInfo, Thumb
from storage import consents, cycles, serving, votes
from storage.database import Database, open_database
from storage.overtaken import CHOSEN, OVERTAKEN, end_overtaken_canary
from storage.promotions import standing
from storage.states import AdapterState, PromotionReason

OPERATOR, ROLLBACK = PromotionReason.OPERATOR, PromotionReason.ROLLBACK
CONFIG = {"canary": {"share": 0.25}}


async def add(world, *ids: str, state: str = "candidate", base: str = "pocket") -> None:
    insert = text(
        "INSERT INTO adapters (id, state, base_model, folder, metrics, sha256, created_at, updated_at) VALUES"
        " (:id, :state, :base, :id || '/', '{}', 'f00', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000')"
    )
    async with world.database.write() as session:
        for adapter in ids:
            await session.execute(insert, {"id": adapter, "state": state, "base": base})


async def act(world, what, *arguments: object, **named: object) -> object:
    """Do one thing of storage/serving.py in a transaction of its own."""
    async with world.database.write() as session:
        return await what(session, *arguments, **named)


async def promote(world, *ids: str | None, reason: PromotionReason = OPERATOR) -> None:
    for adapter in ids:
        assert await act(world, serving.promote, adapter, base_model="pocket", reason=reason)


async def states(world) -> dict[str, str]:
    async with world.database.read() as session:
        return dict((await session.execute(text("SELECT id, state FROM adapters ORDER BY id"))).all())


async def serving_now(world) -> str | None:
    active = (await act(world, serving.plan, "pocket")).active
    return active.id if active else None


async def log(world) -> list[tuple[str | None, str]]:
    async with world.database.read() as session:
        query = "SELECT adapter_id, reason FROM promotions ORDER BY id"
        return [tuple(row) for row in await session.execute(text(query))]


async def canary_cycle(world, adapter: str, *, base: str = "pocket", config: dict[str, object] = CONFIG) -> str:
    """An open cycle whose canary is `adapter`."""
    cycle_id = await act(world, cycles.create, base_model=base, champion_id=None, config=config, is_automatic=False)
    assert await act(world, serving.start_canary, adapter)
    assert await act(
        world, cycles.advance, cycle_id, before=CycleState.PLANNED, after=CycleState.CANARY, adapter_id=adapter
    )
    return cycle_id


async def test_the_base_alone_serves_before_the_first_promotion(world):
    await add(world, "a")
    assert await act(world, serving.plan, "pocket") == ServingPlan()


async def test_a_promoted_adapter_serves_and_the_former_one_is_retired(world):
    await add(world, "a", "b")
    await promote(world, "a", "b")
    assert await act(world, serving.plan, "pocket") == ServingPlan(
        active=AdapterFiles(id="b", folder="b/", sha256="f00")
    )
    assert await states(world) == {"a": "retired", "b": "active"}
    assert await log(world) == [("a", "operator"), ("b", "operator")]
    assert await act(world, serving.trouble_of, "a") == "Replaced by b."


async def test_promoting_what_serves_changes_nothing(world):
    await add(world, "a")
    assert not await act(world, serving.promote, None, base_model="pocket", reason=OPERATOR)
    await promote(world, "a")
    assert not await act(world, serving.promote, "a", reason=OPERATOR)
    assert await log(world) == [("a", "operator")]


async def test_the_base_alone_can_be_told_to_serve(world):
    await add(world, "a")
    await promote(world, "a", None)
    assert (await serving_now(world), await states(world)) == (None, {"a": "retired"})
    with pytest.raises(ValueError, match="give base_model"):
        await act(world, serving.promote, None, reason=OPERATOR)


@pytest.mark.parametrize("adapter", ["rejected", "nowhere", "foreign"])
async def test_what_is_rejected_gone_or_of_another_base_cannot_be_promoted_and_what_serves_goes_on(world, adapter):
    await add(world, "a")
    await add(world, "rejected", state="rejected")
    await add(world, "foreign", base="falcon-7b")
    await promote(world, "a")
    with pytest.raises(NotFound, match=f"no adapter {adapter} that could serve"):
        await act(world, serving.promote, adapter, base_model="pocket", reason=OPERATOR)
    assert await serving_now(world) == "a"
    assert len(await log(world)) == 1


async def test_each_base_model_has_its_own_adapter(world):
    await add(world, "a")
    await add(world, "f", base="falcon-7b")
    await promote(world, "a")
    await act(world, serving.promote, "f", reason=OPERATOR)
    assert await states(world) == {"a": "active", "f": "active"}
    await act(world, serving.roll_back, "falcon-7b")
    assert await states(world) == {"a": "active", "f": "retired"}


async def test_a_canary_answers_its_share_while_its_cycle_waits_for_votes(world):
    await add(world, "a")
    cycle_id = await canary_cycle(world, "a")
    plan = await act(world, serving.plan, "pocket")
    assert (plan.active, plan.canary.id, plan.canary_share) == (None, "a", 0.25)
    assert await act(world, serving.plan, "falcon-7b") == ServingPlan()
    await act(world, cycles.finish, cycle_id, after=CycleState.FAILED, reason="So.")
    assert await act(world, serving.plan, "pocket") == ServingPlan()


@pytest.mark.parametrize("config", [{}, {"canary": {}}, {"canary": {"share": "most"}}])
async def test_a_canary_without_a_share_answers_nobody(world, config):
    await add(world, "a")
    await canary_cycle(world, "a", config=config)
    assert (await act(world, serving.plan, "pocket")).canary_share == 0.0


async def test_a_rejected_canary_answers_nobody(world):
    await add(world, "a")
    await canary_cycle(world, "a")
    assert await act(world, serving.reject, "a", "People liked it less.")
    assert await act(world, serving.plan, "pocket") == ServingPlan()
    assert await act(world, serving.trouble_of, "a") == "People liked it less."


async def decided(world, cycle_id: str) -> tuple[CycleState, str | None]:
    cycle = await act(world, cycles.view, cycle_id)
    return cycle.state, cycle.reason


async def test_a_canary_goes_on_while_what_it_has_to_beat_serves(world):
    await add(world, "a", "b")
    cycle_id = await canary_cycle(world, "a")
    assert await act(world, end_overtaken_canary) is None
    assert await decided(world, cycle_id) == (CycleState.CANARY, None)


async def test_a_canary_ends_as_cancelled_once_another_adapter_serves(world):
    """Its votes were compared with those on an adapter that had not been measured beside it."""
    await add(world, "a", "b")
    cycle_id = await canary_cycle(world, "a")
    await promote(world, "b")
    assert await act(world, end_overtaken_canary) == cycle_id
    assert await decided(world, cycle_id) == (CycleState.CANCELLED, OVERTAKEN)
    assert await states(world) == {"a": "rejected", "b": "active"}
    assert await act(world, end_overtaken_canary) is None


async def test_a_canary_ends_as_promoted_once_it_serves_by_hand(world):
    """A roll-back of its cycle could not reject what served, and said that it had."""
    await add(world, "a")
    cycle_id = await canary_cycle(world, "a")
    await promote(world, "a")
    assert await act(world, end_overtaken_canary) == cycle_id
    assert await decided(world, cycle_id) == (CycleState.PROMOTED, CHOSEN)
    assert await states(world) == {"a": "active"}


@pytest.mark.parametrize("state", AdapterState)
async def test_only_a_candidate_becomes_a_canary_and_only_what_has_not_served_is_rejected(world, state):
    await add(world, "a", state=state)
    assert await act(world, serving.start_canary, "a") is (state is AdapterState.CANDIDATE)
    is_unproven = state in (AdapterState.CANDIDATE, AdapterState.CANARY)
    assert await act(world, serving.reject, "a", "So.") is is_unproven


async def test_trouble_is_kept_without_a_change_of_what_serves(world):
    await add(world, "a", "b")
    await promote(world, "a")
    for adapter in ("a", "b"):
        await act(world, serving.report_trouble, adapter, "Its folder is missing.")
    assert await act(world, serving.trouble_of, "a") == "Its folder is missing."
    assert await act(world, serving.trouble_of, "b") is None
    assert await serving_now(world) == "a"


async def test_each_roll_back_goes_one_further_down_to_the_base_alone(world):
    await add(world, "a", "b", "c")
    await promote(world, "a", "b", "c")
    for expected in ("b", "a", None):
        assert await act(world, serving.served_before, "pocket") == expected
        assert await act(world, serving.roll_back, "pocket") == expected
        assert await serving_now(world) == expected
    with pytest.raises(NotFound, match="Nothing served before the model pocket alone"):
        await act(world, serving.roll_back, "pocket")
    assert [reason for _, reason in await log(world)] == ["operator"] * 3 + ["rollback"] * 3


async def test_what_is_promoted_after_a_roll_back_goes_back_to_what_served_then(world):
    await add(world, "a", "b", "c")
    await promote(world, "a", "b")
    await act(world, serving.roll_back, "pocket")
    await promote(world, "c")
    assert [await act(world, serving.roll_back, "pocket") for _ in range(2)] == ["a", None]


async def test_a_roll_back_passes_by_what_was_rejected_since(world):
    await add(world, "a", "b", "c")
    await promote(world, "a", "b", "c")
    async with world.database.write() as session:
        await session.execute(text("UPDATE adapters SET state = 'rejected' WHERE id = 'b'"))
    assert await act(world, serving.roll_back, "pocket") == "a"


async def test_the_base_alone_is_gone_back_from_to_the_adapter_that_it_replaced(world):
    await add(world, "a")
    await promote(world, "a", None)
    assert await act(world, serving.roll_back, "pocket") == "a"


async def test_of_several_that_promote_at_once_the_last_serves_and_nothing_else(world, url):
    await add(world, *"abcd")
    databases = [open_database(url) for _ in range(4)]

    async def promote_in(database: Database, adapter: str) -> None:
        async with database.write() as session:
            assert await serving.promote(session, adapter, reason=OPERATOR)

    await asyncio.gather(*(promote_in(database, adapter) for database, adapter in zip(databases, "abcd", strict=True)))
    for database in databases:
        await database.close()
    log_of_all = [adapter for adapter, _ in await log(world)]
    assert sorted(log_of_all) == list("abcd")
    assert await states(world) == {**dict.fromkeys("abcd", "retired"), log_of_all[-1]: "active"}


@given(st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.sampled_from([OPERATOR, ROLLBACK])), max_size=20))
def test_the_last_promotion_always_stands_last_and_the_base_alone_first(promotions):
    served = standing(promotions)
    assert served[0] is None
    assert served[-1] == (promotions[-1][0] if promotions else None)
    assert all(one != other for one, other in itertools.pairwise(served))


async def test_whoever_learned_from_somebody_forgotten_is_retired_for_good(world):
    await add(world, *"abcde")
    await add(world, "f", base="falcon-7b")
    await promote(world, "a", "b", "c")
    async with world.database.write() as session:
        await session.execute(text("UPDATE adapters SET num_forgotten = 2 WHERE id IN ('b', 'c', 'd', 'f')"))
    assert await act(world, serving.retire_forgotten, "pocket") == ["b", "c", "d"]
    rejected = dict.fromkeys("bcd", "rejected")
    assert await states(world) == {"a": "active", "e": "candidate", "f": "candidate", **rejected}
    assert (await log(world))[-1] == ("a", "forgotten")
    assert await act(world, serving.retire_forgotten, "pocket") == []
    assert await act(world, serving.roll_back, "pocket") is None


async def test_the_base_alone_serves_where_every_adapter_learned_from_somebody_forgotten(world):
    await add(world, "a")
    await promote(world, "a")
    async with world.database.write() as session:
        await session.execute(text("UPDATE adapters SET num_forgotten = 1"))
    assert await act(world, serving.retire_forgotten, "pocket") == ["a"]
    assert await serving_now(world) is None


async def answered_by(world, adapter: str | None, *, base: str = "pocket", number: int = 2) -> list[str]:
    request_id = await world.ask("asker", num_candidates=number)
    drafts = [CandidateDraft(rank=rank, text=f"{rank}", score=-1.0) for rank in range(1, number + 1)]
    model = ModelInfo(base=base, adapter=adapter, precision="fp32", device="cpu")
    assert await world.queue.complete(await world.claim_one(request_id), drafts, model, {}, 0.5)
    return [candidate.id for candidate in (await world.view(request_id)).candidates]


async def vote(world, name: str, thumb: Thumb | None, *candidates: str, agrees: bool = True) -> None:
    user_id = await world.user(name)
    async with world.database.write() as session:
        await consents.record(session, user_id, is_given=agrees)
        for candidate in candidates:
            event = f"{await world.count('vote_events')} {candidate} {thumb}"
            await votes.cast(session, user_id=user_id, candidate_id=candidate, thumb=thumb, event_id=event)


async def tallies(world, since, *, champion: str | None = None, limit: int = 99) -> tuple[Tally, Tally]:
    return await act(
        world,
        serving.canary_tallies,
        base_model="pocket",
        champion=champion,
        challenger="new",
        since=since,
        max_votes_per_rater=limit,
    )


@pytest.mark.parametrize("champion", [None, "old"])
async def test_a_canarys_votes_are_counted_beside_those_of_what_serves(world, moved_clock, champion):
    earlier = await answered_by(world, "new")
    moved_clock.forward(1)
    since = moved_clock.utc_now()
    old, new = await answered_by(world, champion), await answered_by(world, "new")
    others = [*await answered_by(world, "third"), *await answered_by(world, champion, base="falcon-7b")]
    await vote(world, "bob", Thumb.UP, *earlier, *others, *new)
    await vote(world, "cid", Thumb.DOWN, new[0], *old)
    await vote(world, "dee", Thumb.UP, old[0])
    await vote(world, "dee", None, old[0])
    assert await tallies(world, since, champion=champion) == (
        Tally(num_up=0, num_down=2, num_raters=1),
        Tally(num_up=2, num_down=1, num_raters=2),
    )


async def test_of_one_persons_votes_on_a_side_only_the_earliest_decide(world, moved_clock):
    since = moved_clock.utc_now()
    new = await answered_by(world, "new", number=4)
    await vote(world, "bob", Thumb.UP, *reversed(new[2:]))
    await vote(world, "bob", Thumb.DOWN, *new[:2])
    await vote(world, "cid", Thumb.DOWN, new[3])
    none = Tally(num_up=0, num_down=0, num_raters=0)
    assert await tallies(world, since, limit=3) == (none, Tally(num_up=2, num_down=2, num_raters=2))
    assert await tallies(world, since, limit=1) == (none, Tally(num_up=1, num_down=1, num_raters=2))


async def test_who_did_not_agree_decides_no_canary(world, moved_clock):
    since = moved_clock.utc_now()
    new = await answered_by(world, "new")
    await vote(world, "bob", Thumb.UP, *new, agrees=False)
    assert (await tallies(world, since))[1].num_votes == 0
