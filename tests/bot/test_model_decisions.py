"""What an operator's confirmed decision does: once an event, with its record, or not at all and why."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bot.catalog import Catalogs
from bot.cycle_status import CycleStatus
from bot.cycle_texts import status_panel
from bot.services import open_services
from core.cycles import CycleState
from core.errors import NotFound, NotPossible
from core.records import AuditAction, Identity, Platform, WorkerState
from storage import audit, clock, cycles, serving, workers
from storage.cycle_tables import CycleMessageRow
from storage.states import AdapterState
from storage.tables import AdapterRow
from storage.training_runs import Owner
from tests.bot.audit_rows import audit_rows
from tests.bot.conftest import MakeSettings, Site, running_site
from tests.bot.fake_planner import FakePlanner, outlook_of
from tests.bot.fake_worker import MODEL, WORKER_ID

OPERATOR = Identity(platform=Platform.DISCORD, external_id="4242", locale="de")
FIRST, SECOND = "01ARZ3NDEKTSV4RRFFQ69G5FA1", "01ARZ3NDEKTSV4RRFFQ69G5FA2"
CHAMPION = "01ARZ3NDEKTSV4RRFFQ69G5FA0"
ELSEWHERE = "01ARZ3NDEKTSV4RRFFQ69G5FA3"


@pytest_asyncio.fixture(loop_scope="session")
async def site(make_settings: MakeSettings) -> AsyncIterator[Site]:
    """Return a chat with one operator, two adapters of what serves and one of another model."""
    async with running_site(make_settings(operator_ids="discord:4242")) as site:
        await add_adapters(site, MODEL.base, FIRST, SECOND)
        await add_adapters(site, "another/model", ELSEWHERE)
        yield site


async def add_adapters(site: Site, base_model: str, *adapter_ids: str) -> None:
    now = clock.utc_now()
    async with site.database.write() as session:
        for adapter_id in adapter_ids:
            session.add(
                AdapterRow(
                    id=adapter_id,
                    state=AdapterState.CANDIDATE,
                    base_model=base_model,
                    folder=f"adapters/{adapter_id}",
                    metrics={},
                    created_at=now,
                    updated_at=now,
                )
            )


async def decide(site: Site, action: AuditAction, event_id: str = "press-1", **details: object) -> str:
    return await site.services.administration.confirm(OPERATOR, action, details=details, event_id=event_id)


async def serves(site: Site) -> str | None:
    async with site.database.read() as session:
        plan = await serving.plan(session, MODEL.base)
    return plan.active.id if plan.active else None


async def test_promoted_adapter_serves_and_it_is_recorded_once(site: Site) -> None:
    told = {await decide(site, AuditAction.PROMOTE, adapter=FIRST)}
    assert await serves(site) == FIRST
    assert await audit_rows(site.database) == [(AuditAction.PROMOTE, True)]
    with pytest.raises(NotFound, match="no such adapter"):
        await decide(site, AuditAction.PROMOTE, "press-2", adapter=FIRST)
    told.add(await decide(site, AuditAction.PROMOTE, adapter=FIRST))
    assert told == {f"Ab jetzt antwortet {FIRST}."}
    assert await audit_rows(site.database) == [(AuditAction.PROMOTE, True)]


@pytest.mark.parametrize(
    ("verb", "adapter", "state"),
    [
        (AuditAction.PROMOTE, SECOND, CycleState.CANCELLED),
        (AuditAction.PROMOTE, FIRST, CycleState.PROMOTED),
        (AuditAction.ROLLBACK, None, CycleState.CANCELLED),
    ],
)
async def test_decision_about_what_serves_ends_the_canary_and_it_is_recorded(
    site: Site, verb: AuditAction, adapter: str | None, state: CycleState
) -> None:
    await add_adapters(site, MODEL.base, CHAMPION)
    await decide(site, AuditAction.PROMOTE, "0", adapter=CHAMPION)
    cycle_id = await with_canary(site, FIRST)
    await decide(site, verb, "1", **({"adapter": adapter} if adapter else {}))
    async with site.database.read() as session:
        cycle = await cycles.view(session, cycle_id)
        entry = (await audit.recent(session, limit=1))[0]
    assert cycle.state is state
    assert cycle.reason is not None
    assert entry.details["ended_cycle"] == cycle_id


async def with_canary(site: Site, adapter: str) -> str:
    """Let a canary run against what serves; return its cycle."""
    async with site.database.write() as session:
        cycle_id = await cycles.create(
            session, base_model=MODEL.base, champion_id=CHAMPION, config={}, is_automatic=False
        )
        assert await serving.start_canary(session, adapter)
        canary = {"before": CycleState.PLANNED, "after": CycleState.CANARY, "adapter_id": adapter}
        assert await cycles.advance(session, cycle_id, **canary)  # type: ignore[arg-type]
    return cycle_id


@pytest.mark.parametrize("adapter", [None, "another", ELSEWHERE, 5])
async def test_nothing_else_than_an_adapter_of_the_model_that_serves_is_promoted(site: Site, adapter: object) -> None:
    with pytest.raises(NotFound, match=r"no (such )?adapter"):
        await decide(site, AuditAction.PROMOTE, adapter=adapter)
    assert await serves(site) is None
    assert await audit_rows(site.database) == []


async def test_rollback_goes_back_one_step_a_decision_and_then_has_nothing_to_go_back_to(site: Site) -> None:
    await decide(site, AuditAction.PROMOTE, "1", adapter=FIRST)
    await decide(site, AuditAction.PROMOTE, "2", adapter=SECOND)
    for _ in range(2):  # the platform tells of the press twice
        assert await decide(site, AuditAction.ROLLBACK, "3") == f"Zurück zu {FIRST}."
        assert await serves(site) == FIRST
    assert await decide(site, AuditAction.ROLLBACK, "4") == "Zurück zum Modell allein."
    assert await serves(site) is None
    with pytest.raises(NotFound, match="nothing to go back to"):
        await decide(site, AuditAction.ROLLBACK, "5")
    assert [action for action, _ in await audit_rows(site.database)].count(AuditAction.ROLLBACK) == 2


async def test_training_is_planned_once_for_the_model_that_serves(site: Site) -> None:
    told = {await decide(site, AuditAction.RETRAIN) for _ in range(3)}
    assert len(told) == 1
    assert "Training ist geplant" in told.pop()
    async with site.database.read() as session:
        [cycle] = await cycles.recent(session, limit=5)
        [entry] = await audit.recent(session, limit=5)
    assert (cycle.state, cycle.base_model, cycle.is_automatic) == (CycleState.PLANNED, MODEL.base, False)
    assert entry.details == {"verb": "start", "cycle": cycle.id}
    assert cycle.asked_by == entry.user_id


async def test_where_nobody_keeps_cycles_the_answer_says_who_begins_it(make_settings: MakeSettings) -> None:
    """`mjprompt bot` alone said that it begins in a moment."""
    settings = make_settings(operator_ids="discord:4242")
    async with running_site(settings, FakePlanner(has_keeper=False)) as site:
        for _ in range(2):
            said = await decide(site, AuditAction.RETRAIN)
            assert said.endswith(
                "Es beginnt, sobald `mjprompt run` oder `mjprompt retrain` auf dem Rechner mit dem Modell läuft."
            )


async def test_status_says_for_how_long_nobody_has_begun_a_planned_training(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await decide(site, AuditAction.RETRAIN)
    operator = replace(OPERATOR, locale="en")
    status = await site.services.learning.status(operator)
    assert lines_of(status) == ["Planned; it begins in a moment."]
    monkeypatch.setattr(clock, "utc_now", lambda: datetime.now(UTC) + timedelta(minutes=4))
    status = await site.services.learning.status(operator)
    assert lines_of(status) == [
        "Planned 4 min ago, and nobody has begun it yet; it begins once `mjprompt run` or `mjprompt retrain` runs on "
        "the machine with the model."
    ]
    assert status is not None
    async with site.database.write() as session:
        await cycles.claim(session, status.cycle.id, owner=Owner("here", 1), is_alive=lambda _: True)
    assert lines_of(await site.services.learning.status(operator)) == ["Planned; it begins in a moment."]


def lines_of(status: CycleStatus | None) -> list[str]:
    return [line.text for line in status_panel(status, Catalogs.load(), "en").lines]


async def test_training_is_followed_by_one_message_where_it_was_asked_for(site: Site) -> None:
    administration, where = site.services.administration, {"route": "channel", "channel_id": "7"}
    for _ in range(2):
        await administration.confirm(OPERATOR, AuditAction.RETRAIN, details={}, event_id="press-1", follow_at=where)
    async with site.database.read() as session:
        [message] = await session.scalars(CycleMessageRow.__table__.select())
    assert message is not None


async def test_second_training_is_refused_with_the_one_that_is_open(site: Site) -> None:
    await decide(site, AuditAction.RETRAIN)
    with pytest.raises(NotPossible, match="is open, in the state planned"):
        await decide(site, AuditAction.RETRAIN, "press-2")
    assert await audit_rows(site.database) == [(AuditAction.RETRAIN, True)]


async def test_training_is_cancelled_once(site: Site) -> None:
    await decide(site, AuditAction.RETRAIN)
    for _ in range(2):
        assert "endet" in await decide(site, AuditAction.CANCEL_RETRAIN, "press-2")
    async with site.database.read() as session:
        cycle = await cycles.latest(session)
    assert cycle is not None
    assert cycle.state is CycleState.CANCELLED
    with pytest.raises(NotFound, match="none to cancel"):
        await decide(site, AuditAction.CANCEL_RETRAIN, "press-3")


@pytest.mark.parametrize("action", [AuditAction.RETRAIN, AuditAction.ROLLBACK])
async def test_without_a_worker_it_is_not_known_for_which_model(site: Site, action: AuditAction) -> None:
    await site.worker.retire()
    with pytest.raises(NotPossible, match="No worker"):
        await decide(site, action)
    await site.worker.announce(WorkerState.READY)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (outlook_of(missing="12 more rated prompts are needed (38 of 50)."), "12 more rated prompts are needed"),
        (outlook_of(num_votes=0, missing="50 more rated prompts are needed (0 of 50)."), "Nobody who allowed learning"),
    ],
)
async def test_too_little_to_learn_from_says_what_is_missing(
    make_settings: MakeSettings, found: object, sentence: str
) -> None:
    settings = make_settings(operator_ids="discord:4242")
    async with running_site(settings, FakePlanner(found)) as site:  # type: ignore[arg-type]
        with pytest.raises(NotPossible, match=sentence):
            await decide(site, AuditAction.RETRAIN)
        assert await audit_rows(site.database) == []


@pytest.mark.parametrize("action", [AuditAction.RETRAIN, AuditAction.PROMOTE, AuditAction.ROLLBACK])
async def test_pinned_adapter_is_named_with_the_cure(
    make_settings: MakeSettings, tmp_path: Path, action: AuditAction
) -> None:
    async with running_site(make_settings(operator_ids="discord:4242", adapter=tmp_path)) as site:
        with pytest.raises(NotPossible, match="take ADAPTER out"):
            await decide(site, action, adapter=FIRST)


async def test_process_without_a_planner_says_so(make_settings: MakeSettings) -> None:
    settings = make_settings(operator_ids="discord:4242")
    async with running_site(settings) as site:
        administration = open_services(site.database, site.queue, settings).administration
        with pytest.raises(NotPossible, match="This process cannot plan a training"):
            await administration.confirm(OPERATOR, AuditAction.RETRAIN, details={}, event_id="1")


async def test_model_tells_what_answers_once_the_worker_has_changed_over(site: Site) -> None:
    administration = site.services.administration
    await decide(site, AuditAction.PROMOTE, adapter=FIRST)
    assert (await administration.model_status(OPERATOR)).adapter_id is None
    async with site.database.write() as session:
        await workers.announce(session, WORKER_ID, WorkerState.READY, replace(MODEL, adapter=FIRST))
    status = await administration.model_status(OPERATOR)
    assert status.model is not None
    assert (status.model.adapter, status.adapter_id) == (FIRST, FIRST)
