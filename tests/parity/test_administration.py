"""Settings of a workspace and the model that everybody shares, played the same on every platform."""

import pytest

from core.records import AuditAction, Platform, WorkspaceSettings
from storage.identifiers import new_id
from tests.bot.fake_planner import SUSPECT
from tests.bot.fake_worker import MODEL
from tests.parity.chat import ChatPerson
from tests.parity.protocol import NotOffered, Refused
from tests.parity.stage import Stage
from tests.parity.waiting import until

IDEA = "a boy running in the snow"


async def test_model_tells_what_answers(stage: Stage) -> None:
    assert "pocket" in await stage.newcomer().model()


@pytest.mark.parametrize(
    ("act", "action"),
    [
        ("retrains", AuditAction.RETRAIN),
        ("looks_at_the_plan", AuditAction.RETRAIN),
        ("looks_at_the_training", AuditAction.RETRAIN),
        ("cancels_training", AuditAction.CANCEL_RETRAIN),
        ("rolls_back", AuditAction.ROLLBACK),
    ],
)
async def test_admin_who_is_no_operator_may_not_touch_the_model(stage: Stage, act: str, action: AuditAction) -> None:
    admin = stage.newcomer(is_admin=True)

    with pytest.raises(Refused, match=r"[Oo]perator"):
        await getattr(admin, act)()

    assert stage.truth.audit_of(admin.external_id) == [(action.value, False)]


async def test_admin_who_is_no_operator_may_not_promote(stage: Stage) -> None:
    admin = stage.newcomer(is_admin=True)

    with pytest.raises(Refused, match=r"[Oo]perator"):
        await admin.promotes("adapter-7")

    assert stage.truth.audit_of(admin.external_id) == [("promote", False)]


async def test_operator_is_told_what_the_votes_are_enough_for(stage: Stage) -> None:
    told = await stage.operator().looks_at_the_plan()

    assert "212" in told
    assert "120 rated prompts are enough to imitate what was liked." in told
    assert SUSPECT.rater in told


async def test_operator_starts_a_training_once_follows_it_and_cancels_it(stage: Stage) -> None:
    operator = stage.operator()
    before = len(stage.truth.audit_of(operator.external_id))

    said = await operator.retrains()
    await operator.repeats()

    assert said.endswith(stage.services.catalogs.text("en", "model.done.retrain"))
    assert stage.truth.value("SELECT count(*) FROM cycles WHERE is_open") == 1
    status = await operator.looks_at_the_training()
    assert "planned" in status.lower()

    said = await operator.cancels_training()

    assert said.endswith(stage.services.catalogs.text("en", "model.done.cancel_retrain"))
    assert "cancelled" in (await operator.looks_at_the_training()).lower()
    assert stage.truth.value("SELECT count(*) FROM cycles WHERE is_open") == 0
    now = stage.truth.audit_of(operator.external_id)[before:]
    assert now == [("retrain", True), ("cancel_retrain", True)]


async def test_training_is_followed_by_one_message_that_everybody_sees(stage: Stage) -> None:
    if stage.platform is Platform.WEB:
        return  # the page asks for itself
    operator, other = stage.operator(), stage.newcomer()
    assert isinstance(other, ChatPerson)
    catalogs = stage.services.catalogs

    def following() -> list[str]:
        title = catalogs.text("en", "cycle.title")
        return [seen.text for seen in other.sees() if title in seen.text and not seen.is_private]

    await operator.retrains()
    planned = catalogs.text("en", "cycle.states.planned")
    await until(lambda: any(planned in text for text in following()), "message about the plan")
    await operator.cancels_training()
    cancelled = catalogs.text("en", "cycle.states.cancelled")
    await until(lambda: any(cancelled in text for text in following()), "message about the end")

    assert len(following()) == 1


async def test_operator_promotes_an_adapter_and_goes_back(stage: Stage) -> None:
    operator, adapter_id = stage.operator(), new_id()
    await stage.core.add_adapter(adapter_id)

    said = await operator.promotes(adapter_id)

    assert said.endswith(stage.services.catalogs.text("en", "model.done.promote", adapter=adapter_id))
    assert stage.truth.value("SELECT state FROM adapters WHERE id = ?", adapter_id) == "active"

    said = await operator.rolls_back()

    assert said.endswith(stage.services.catalogs.text("en", "model.done.rollback_base"))
    assert stage.truth.value("SELECT state FROM adapters WHERE id = ?", adapter_id) == "retired"


async def test_adapter_that_is_not_there_cannot_be_promoted(stage: Stage) -> None:
    operator = stage.operator()
    before = len(stage.truth.audit_of(operator.external_id))

    with pytest.raises(Refused, match="adapter"):
        await operator.promotes("adapter-7")

    assert ("promote", True) not in stage.truth.audit_of(operator.external_id)[before:]


async def test_settings_of_an_admin_hold_for_what_is_asked_next(stage: Stage) -> None:
    admin, person = stage.newcomer(is_admin=True), stage.newcomer()
    settings = WorkspaceSettings(midjourney_version="7", aspect_ratio="3:2")
    if not stage.has_workspaces:
        with pytest.raises(NotOffered):
            await admin.changes_settings(settings)
        return

    await admin.changes_settings(settings)

    answer = await person.asks(IDEA)
    asked = "SELECT midjourney_version, parameters FROM requests WHERE id = ?"
    [(version, parameters)] = stage.truth.rows(asked, answer.request_id)
    assert version == "7"
    assert "--ar 3:2" in parameters
    assert stage.truth.audit_of(admin.external_id) == [("change_settings", True)]


async def test_somebody_who_is_no_admin_changes_no_settings(stage: Stage) -> None:
    person = stage.newcomer()
    settings = WorkspaceSettings(midjourney_version="7")

    with pytest.raises(Refused if stage.has_workspaces else NotOffered):
        await person.changes_settings(settings)

    answer = await person.asks(IDEA)
    version = stage.truth.value("SELECT midjourney_version FROM requests WHERE id = ?", answer.request_id)
    assert version == stage.core.settings.midjourney_version


async def test_impossible_setting_is_refused_and_changes_nothing(stage: Stage) -> None:
    admin = stage.newcomer(is_admin=True)

    with pytest.raises(Refused if stage.has_workspaces else NotOffered):
        await admin.changes_settings(WorkspaceSettings(aspect_ratio="banana", max_requests_per_day=1))

    await admin.asks(IDEA)
    assert (await admin.asks(IDEA)).prompts


async def test_quota_of_a_workspace_is_kept(stage: Stage) -> None:
    admin, person = stage.newcomer(is_admin=True), stage.newcomer()
    settings = WorkspaceSettings(max_requests_per_day=1)
    if not stage.has_workspaces:
        with pytest.raises(NotOffered):
            await admin.changes_settings(settings)
        return
    await admin.changes_settings(settings)
    await person.asks(IDEA)

    with pytest.raises(Refused, match="24 hours"):
        await person.begins("one too many")

    assert (await stage.newcomer().asks("somebody else has a quota of their own")).prompts


async def test_language_of_a_workspace_is_spoken_in_its_answers(stage: Stage) -> None:
    admin, person = stage.newcomer(is_admin=True), stage.newcomer()
    settings = WorkspaceSettings(language="de")
    if not stage.has_workspaces:
        with pytest.raises(NotOffered):
            await admin.changes_settings(settings)
        return
    await admin.changes_settings(settings)

    answer = await person.asks(IDEA)

    german = stage.services.catalogs.text("de", "cards.footer", model=MODEL.base, seconds="0.1")
    assert german in answer.text


async def test_private_by_default_makes_answers_private(stage: Stage) -> None:
    admin, person, other = stage.newcomer(is_admin=True), stage.newcomer(), stage.newcomer()
    settings = WorkspaceSettings(is_private=True)
    if not stage.has_workspaces:
        with pytest.raises(NotOffered):
            await admin.changes_settings(settings)
        return
    await admin.changes_settings(settings)

    answer = await person.asks(IDEA)

    assert await other.looks(answer.request_id) is None
    assert stage.truth.value("SELECT is_private FROM requests WHERE id = ?", answer.request_id) == 1
