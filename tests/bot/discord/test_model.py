"""`/model` and `/retrain`: anybody sees what serves, operators alone decide, every decision and refusal is recorded."""

import discord
import pytest
from simcord.actors import MemberActor
from simcord.backend.errors import SetupError
from sqlalchemy import select

from bot.administration import OPERATOR_ACTIONS
from core.records import AuditAction
from storage import audit
from storage.cycle_tables import CycleMessageRow
from tests.bot.discord.conftest import World
from tests.bot.discord.raw_events import COMMAND, COMPONENT, button, emit, slash
from tests.bot.discord.reading import buttons_of, private_text, text_of
from tests.bot.fake_planner import outlook_of
from tests.bot.fake_worker import FakeWorker


def admin_of(world: World, name: str = "anna") -> MemberActor:
    role = world.guild.create_role("Admins", permissions=discord.Permissions(manage_guild=True))
    return world.guild.add_member(world.env.create_user(name), roles=[role])


async def decisions(world: World) -> list[tuple[AuditAction, bool]]:
    async with world.database.read() as session:
        return [(entry.action, entry.is_allowed) for entry in await audit.recent(session, limit=20)]


async def test_model_shows_what_serves(world: World) -> None:
    shown = await world.alice.slash(world.channel, "model show")
    assert shown.ephemeral
    assert "The model" in text_of(shown.response)


async def test_retrain_is_not_offered_to_plain_members(world: World) -> None:
    with pytest.raises(SetupError, match="default-member-permissions"):
        await world.alice.slash(world.channel, "retrain start")


async def test_server_admin_is_no_operator(world: World) -> None:
    refused = await admin_of(world).slash(world.channel, "retrain start")
    assert "Only operators" in private_text(refused)
    assert await decisions(world) == [(AuditAction.RETRAIN, False)]


@pytest.mark.parametrize(
    "path",
    [
        ("retrain", "start"),
        ("retrain", "plan"),
        ("retrain", "status"),
        ("retrain", "cancel"),
        ("model", "promote"),
        ("model", "rollback"),
    ],
)
async def test_nobody_but_operators_acts_on_the_model_in_direct_messages(world: World, path: tuple[str, ...]) -> None:
    user = world.env.create_user("dora")
    options = {"adapter": "x"} if path[-1] == "promote" else {}
    refused = await user.slash(" ".join(path), **options)
    assert "Only operators" in private_text(refused)
    [(action, is_allowed)] = await decisions(world)
    assert action in OPERATOR_ACTIONS
    assert not is_allowed


async def test_nobody_but_operators_retrains_from_a_user_install_elsewhere(world: World) -> None:
    changes = {"context": 2, "authorizing_integration_owners": {"1": str(world.alice.id)}}
    data = slash(world.env, "retrain", "start")
    refused = await emit(world.env, world.alice, world.channel, COMMAND, data, **changes)
    assert "Only operators" in private_text(refused)
    assert await decisions(world) == [(AuditAction.RETRAIN, False)]


async def test_forged_confirmation_of_a_non_operator_is_refused(world: World) -> None:
    answer = await world.ask()
    data = button("mj1c:retrain:1234")
    refused = await emit(world.env, world.alice, world.channel, COMPONENT, data, message=answer.response)
    assert "Only operators" in private_text(refused)
    assert await decisions(world) == [(AuditAction.RETRAIN, False)]


async def test_operator_confirms_once_however_often_they_press(world: World) -> None:
    operator = admin_of(world)
    await world.appoint(operator)
    asked = await operator.slash(world.channel, "retrain start")
    assert asked.ephemeral
    assert await decisions(world) == []
    custom_id = buttons_of(asked.response)["Yes, do it"]
    assert asked.response is not None
    async with FakeWorker(world.database, world.queue):
        for _ in range(2):
            await world.press_without_waiting(operator, asked.response, custom_id)
        await world.env.settle()
    assert "A training is planned" in text_of(asked.response)
    assert await decisions(world) == [(AuditAction.RETRAIN, True)]


async def test_refused_decision_leaves_the_question_and_no_record(world: World) -> None:
    await world.appoint(world.alice)
    asked = await world.alice.slash(world.channel, "model rollback")
    async with FakeWorker(world.database, world.queue):
        refused = await world.alice.click(asked.response, label="Yes, do it")
    assert "nothing to go back to" in private_text(refused)
    assert await decisions(world) == []


async def test_plan_offers_the_training_only_where_the_votes_are_enough(world: World) -> None:
    operator = admin_of(world)
    await world.appoint(operator)
    offered = await operator.slash(world.channel, "retrain plan")
    assert offered.ephemeral
    assert list(buttons_of(offered.response)) == ["Train now", "Close"]
    missing = "12 more rated prompts are needed (38 of 50)."
    world.services.learning.planner.found = outlook_of(missing=missing)  # type: ignore[union-attr]
    refused = await operator.slash(world.channel, "retrain plan")
    assert "Nothing would be trained" in text_of(refused.response)
    assert buttons_of(refused.response) == {}


async def test_training_is_followed_by_the_bots_own_message_in_the_channel(world: World) -> None:
    """An interaction's own message would be out of reach after fifteen minutes."""
    operator = admin_of(world)
    await world.appoint(operator)
    asked = await operator.slash(world.channel, "retrain start")
    async with FakeWorker(world.database, world.queue):
        await operator.click(asked.response, label="Yes, do it")
    await world.progress()
    [followed] = [each for each in world.messages_in(world.channel) if "Learning from votes" in text_of(each)]
    assert "Planned; it begins in a moment." in text_of(followed)
    async with world.database.read() as session:
        [destination] = await session.scalars(select(CycleMessageRow.destination))
    assert destination["route"] == "channel"
    assert destination["token"] is None


async def test_operator_can_close_the_question(world: World) -> None:
    await world.appoint(world.alice)
    asked = await world.alice.slash(world.channel, "model rollback")
    await world.alice.click(asked.response, label="Close")
    assert asked.response is None
    assert await decisions(world) == []


async def test_operator_cannot_promote_what_is_not_there(world: World) -> None:
    await world.appoint(world.alice)
    refused = await world.alice.slash(world.channel, "model promote", adapter="../../etc/passwd")
    assert "no adapter" in private_text(refused).lower()


async def test_adapters_are_offered_to_operators_alone(world: World) -> None:
    assert await world.alice.autocomplete(world.channel, "model promote", "adapter", "") == []
