"""Who may do what on Slack: operators, workspace admins, strangers and bots; every check fails closed."""

from collections.abc import Callable

import pytest

from core.records import AuditAction, WorkspaceSettings
from storage import clock
from storage.identifiers import new_id
from storage.states import AdapterState
from storage.tables import AdapterRow
from tests.bot.audit_rows import audit_rows
from tests.bot.slack.conftest import World
from tests.fakes.slack.people import Place
from tests.fakes.slack.views import View

PlaceOf = Callable[[World], Place]

OPERATOR_COMMANDS = [
    ("/retrain", "", AuditAction.RETRAIN),
    ("/retrain", "plan", AuditAction.RETRAIN),
    ("/retrain", "start", AuditAction.RETRAIN),
    ("/retrain", "status", AuditAction.RETRAIN),
    ("/retrain", "cancel", AuditAction.CANCEL_RETRAIN),
    ("/model", "promote", AuditAction.PROMOTE),
    ("/model", "promote 01ARZ3NDEKTSV4RRFFQ69G5FAV", AuditAction.PROMOTE),
    ("/model", "rollback", AuditAction.ROLLBACK),
]


def _in_a_channel(world: World) -> Place:
    return world.bob


def _in_direct_messages(world: World) -> Place:
    return world.bob.person.direct()


def _as_a_workspace_admin(world: World) -> Place:
    return world.admin


def _as_an_owner(world: World) -> Place:
    return world.team.add_user("otto", is_owner=True).at(world.channel)


def _in_a_channel_without_the_bot(world: World) -> Place:
    return world.bob.person.at(world.team.add_channel("closed", is_bot_member=False, is_private=True))


@pytest.mark.parametrize(
    "place_of",
    [_in_a_channel, _in_direct_messages, _as_a_workspace_admin, _as_an_owner, _in_a_channel_without_the_bot],
)
@pytest.mark.parametrize(("command", "text", "action"), OPERATOR_COMMANDS)
async def test_only_operators_decide_about_the_model(
    world: World, place_of: PlaceOf, command: str, text: str, action: AuditAction
) -> None:
    place = place_of(world)
    await place.slash(command, text)
    await world.private(place, "Only operators")
    assert await audit_rows(world.database) == [(action, False)]
    assert not place.person.views


async def test_operator_is_asked_and_the_training_planned_and_recorded_once(world: World) -> None:
    await world.operator.slash("/retrain", "start")
    form = await world.form(world.operator.person, "Train an adapter")
    assert await audit_rows(world.database) == []
    sent = await world.operator.submit(form)
    assert "A training is planned" in form.text
    await world.slack.replay(sent)
    assert await audit_rows(world.database) == [(AuditAction.RETRAIN, True)]
    await world.message(world.channel, "Planned; it begins in a moment.")


async def test_bare_retrain_is_the_plan_and_while_a_training_goes_on_its_status(world: World) -> None:
    await world.operator.slash("/retrain")
    plan = await world.private(world.operator, "What the votes are enough for")
    await world.operator.click(plan, "mj1:retrain")
    await world.operator.submit(await world.form(world.operator.person, "Train an adapter"))
    await world.operator.slash("/retrain")
    status = await world.private(world.operator, "Learning from votes")
    await world.operator.click(status, "mj1:cancel_retrain")
    form = await world.form(world.operator.person, "Cancel the training")
    await world.operator.submit(form)
    assert "The training ends" in form.text
    await world.message(world.channel, "Cancelled; what served before goes on.")


async def test_unknown_words_behind_retrain_are_refused_by_name(world: World) -> None:
    await world.operator.slash("/retrain", "everything")
    await world.private(world.operator, "/retrain does not know 'everything'; write /retrain plan, start, status")


async def test_rollback_with_nothing_to_go_back_to_says_so_in_the_form(world: World) -> None:
    await world.operator.slash("/model", "rollback")
    form = await world.form(world.operator.person, "Roll back")
    await world.operator.submit(form)
    assert "nothing to go back to" in form.text
    assert await audit_rows(world.database) == []


async def test_promotion_without_any_adapter_says_so(world: World) -> None:
    await world.operator.slash("/model", "promote")
    await world.private(world.operator, "no adapter to promote")


async def _adapter(world: World) -> str:
    """Put an adapter there that could be promoted; return its id."""
    adapter_id, now = new_id(), clock.utc_now()
    async with world.database.write() as session:
        session.add(
            AdapterRow(
                id=adapter_id,
                state=AdapterState.CANDIDATE,
                base_model="models/pocket",
                folder="adapters/one",
                metrics={},
                created_at=now,
                updated_at=now,
            )
        )
    return adapter_id


@pytest.mark.parametrize("is_named", [True, False])
async def test_operator_promotes_one_of_the_adapters(world: World, is_named: bool) -> None:
    adapter_id = await _adapter(world)
    await world.operator.slash("/model", f"promote {adapter_id}" if is_named else "promote")
    form = await world.form(world.operator.person, "Promote an adapter")
    await world.operator.submit(form, {} if is_named else {"adapter": adapter_id})
    assert f"{adapter_id} answers from now on." in form.text
    assert await audit_rows(world.database) == [(AuditAction.PROMOTE, True)]


async def test_forged_adapter_in_the_form_is_refused(world: World) -> None:
    await _adapter(world)
    await world.operator.slash("/model", "promote")
    form = await world.form(world.operator.person, "Promote an adapter")
    option = {"value": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    await world.operator.person.submit_forged(form, {"adapter": {"answer": {"selected_option": option}}})
    assert "no such adapter" in form.errors["adapter"]


async def test_promotion_of_an_unknown_adapter_says_so(world: World) -> None:
    await _adapter(world)
    await world.operator.slash("/model", "promote 01ARZ3NDEKTSV4RRFFQ69G5FAV")
    await world.private(world.operator, "no such adapter")


async def test_operators_command_is_acknowledged_in_time_while_the_database_is_locked(world: World) -> None:
    async with world.database.write():
        sent = await world.bob.slash("/retrain")
        assert sent.is_acknowledged
    await world.private(world.bob, "Only operators")


async def test_form_of_an_operator_sent_by_somebody_else_is_refused(world: World) -> None:
    await world.operator.slash("/retrain", "start")
    theirs = await world.form(world.operator.person, "Train an adapter")
    forged = View(world.bob.person, theirs.content)
    world.bob.person.views.append(forged)
    await world.bob.submit(forged)
    assert "Only operators" in forged.text
    assert await audit_rows(world.database) == [(AuditAction.RETRAIN, False)]


async def test_model_is_shown_to_everybody(world: World) -> None:
    await world.bob.slash("/model")
    shown = await world.private(world.bob, "The model")
    assert "Answering now" in shown.text


async def test_unknown_words_behind_model_are_refused_by_name(world: World) -> None:
    await world.bob.slash("/model", "explode <!channel>")
    refusal = await world.private(world.bob, "<!channel>")
    assert "&lt;!channel&gt;" in refusal.fallback


async def test_admin_changes_the_settings(world: World) -> None:
    await world.admin.slash("/settings")
    form = await world.form(world.admin.person, "Settings")
    answers = {"version": "7", "aspect_ratio": "16:9", "private": "yes", "quota": "12", "language": "Deutsch"}
    await world.admin.submit(form, answers)
    assert "geändert" in form.text or "changed" in form.text
    assert await world.services.administration.settings_of(world.identity(world.bob)) == WorkspaceSettings(
        midjourney_version="7", aspect_ratio="16:9", is_private=True, max_requests_per_day=12, language="de"
    )
    assert await audit_rows(world.database) == [(AuditAction.CHANGE_SETTINGS, True)]


@pytest.mark.parametrize(
    ("answers", "fragment"),
    [({"version": "99"}, "no Midjourney version"), ({"aspect_ratio": "wide"}, "aspect"), ({"quota": "many"}, "quota")],
)
async def test_impossible_settings_are_told_in_the_form(world: World, answers: dict[str, str], fragment: str) -> None:
    await world.admin.slash("/settings")
    form = await world.form(world.admin.person, "Settings")
    await world.admin.submit(form, answers)
    assert fragment in form.errors["version"]
    assert await world.services.administration.settings_of(world.identity(world.bob)) == WorkspaceSettings()


async def test_settings_are_refused_to_everybody_else(world: World) -> None:
    await world.bob.slash("/settings")
    await world.private(world.bob, "Only admins")
    assert await audit_rows(world.database) == [(AuditAction.CHANGE_SETTINGS, False)]
    assert not world.bob.person.views


@pytest.mark.parametrize(
    "fault",
    [
        {"error": "ratelimited", "status": 429, "headers": {"Retry-After": "0"}, "times": 9},
        {"error": "internal_error"},
        {"status": 503, "times": 9},
        {"error": "missing_scope"},
        {"drop": "before", "times": 9},
    ],
)
async def test_admin_whom_slack_does_not_confirm_is_refused(world: World, fault: dict[str, object]) -> None:
    world.slack.faults.add("users.info", **fault)
    await world.admin.slash("/settings")
    await world.private(world.admin, "Only admins", within_seconds=12)
    assert not world.admin.person.views


async def test_admin_who_lost_the_right_meanwhile_is_refused_when_sending(world: World) -> None:
    await world.admin.slash("/settings")
    form = await world.form(world.admin.person, "Settings")
    world.admin.person.is_admin = False
    await world.admin.submit(form, {"version": "7"})
    assert "Only admins" in form.errors["version"]


async def test_payload_that_calls_somebody_an_admin_is_not_believed(world: World) -> None:
    sent = await world.bob.slash("/settings")
    claim = dict(sent.payload) | {"is_admin": True, "user": {"id": world.bob.person.id, "is_admin": True}}
    await world.bob.person.interact(claim, kind=sent.kind, channel=world.channel)
    await world.slack.wait_for(lambda: len([each for each in world.bob.sees() if "Only admins" in each.text]) == 2)
    assert not world.bob.person.views


async def test_person_of_another_workspace_in_a_shared_channel_is_refused(world: World) -> None:
    answer = await world.asked(world.alice)
    stranger = world.team.add_user("sam", is_stranger=True).at(world.channel)
    for name in ("👍 0", "Vary", "Save", "Remix"):
        await stranger.click(answer, name)
    await world.slack.wait_for(lambda: len([each for each in stranger.sees() if each.is_ephemeral]) == 4)
    assert all("Only members" in each.text for each in stranger.sees() if each.is_ephemeral)
    assert answer.buttons[0][0] == "👍 0"


async def test_stranger_whom_slack_cannot_look_up_is_refused_too(world: World) -> None:
    answer = await world.asked(world.alice)
    stranger = world.team.add_user("sam", is_stranger=True).at(world.channel)
    world.slack.faults.add("users.info", error="user_not_found", times=9)
    await stranger.click(answer, "👍 0")
    await world.private(stranger, "Only members")


async def test_member_whose_home_is_another_workspace_of_the_organisation_is_let_in(world: World) -> None:
    answer = await world.asked(world.alice)
    world.bob.person.home_team_id = "T0999999"
    await world.bob.click(answer, "👍 0")
    await world.shown(lambda: answer.buttons[0][0] == "👍 1")


async def test_bots_are_refused(world: World) -> None:
    answer = await world.asked(world.alice)
    press = await world.bob.click(answer, "Save")
    await world.private(world.bob, "Saved")
    robot = dict(press.payload) | {"bot_id": "B0999999", "trigger_id": "T.1"}
    robot["actions"] = [robot["actions"][0] | {"action_ts": "1900000000.000100"}]
    await world.bob.person.interact(robot, channel=world.channel, source=answer)
    await world.private(world.bob, "Only people")
    saved = await world.services.collection.favorites(world.identity(world.bob), before=None, limit=5)
    assert len(saved) == 1
