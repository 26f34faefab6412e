"""Forged, foreign and stale: refused in one calm private sentence, with an audit row where it matters."""

from core.records import AuditAction
from storage import audit
from tests.bot.discord.conftest import World, identity
from tests.bot.discord.raw_events import COMMAND, COMPONENT, MODAL, button, emit, slash
from tests.bot.discord.reading import custom_ids_of, private_text, text_of

UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


FORGED = (
    f"mj0:up:{UNKNOWN_ID}",
    f"mj2:up:{UNKNOWN_ID}",
    "mj1:up:short",
    f"mj1:become_admin:{UNKNOWN_ID}",
    f"mj1:up:{UNKNOWN_ID}",
    f"mj1:save:{UNKNOWN_ID}",
    f"mj1:vary:{UNKNOWN_ID}",
    f"mj1:share:{UNKNOWN_ID}",
    f"mj1:remix:{UNKNOWN_ID}",
    f"mj1:reroll:{UNKNOWN_ID}",
    f"mj1:delete:{UNKNOWN_ID}",
    f"mj1:cancel:{UNKNOWN_ID}",
    "mj1p:secrets:first",
    "mj1c:drop_tables:-",
    f"mj1c:show:{UNKNOWN_ID}",
    "",
    "\x00",
    "x" * 100,
)


async def test_forged_button_is_refused_privately(world: World) -> None:
    answer = await world.ask()
    refusals = []
    for custom_id in FORGED:
        data = button(custom_id)
        refused = await emit(world.env, world.bob, world.channel, COMPONENT, data, message=answer.response)
        refusals.append(private_text(refused))
        assert 10 < len(refusals[-1]) < 200, custom_id
    assert len(refusals) == len(FORGED) == 18


async def test_forged_button_never_changes_somebody_elses_message(world: World) -> None:
    """A made-up press on a public answer used to delete it, or to show one's own panel or prompts in its place."""
    answer = await world.ask()
    shown = text_of(answer.response)
    await world.bob.slash(world.channel, "mjprompt", idea="secret of bob", private=True)
    await world.answer()
    (bobs,) = await world.services.chat.history(identity(world.bob, world), before=None, limit=5)
    forged = [f"mj1c:{name}:-" for name in ("queue", "privacy", "consent", "forget", "forget_surely", "close")]
    forged += ["mj1p:history:first", f"mj1:up:{bobs.candidates[0].id}", f"mj1:delete:{bobs.id}"]
    for custom_id in forged:
        await emit(world.env, world.bob, world.channel, COMPONENT, button(custom_id), message=answer.response)
        assert answer.response is not None, custom_id
        assert text_of(answer.response) == shown, custom_id


async def test_prompt_of_another_server_cannot_be_pressed_on_and_the_try_is_recorded(world: World) -> None:
    answer = await world.ask()
    elsewhere = world.env.create_guild("Elsewhere")
    channel = elsewhere.create_text_channel("there")
    stranger = elsewhere.add_member(world.env.create_user("stan"))
    custom_id = custom_ids_of(answer.response, "up")[0]
    refused = await emit(world.env, stranger, channel, COMPONENT, button(custom_id), message=answer.response)
    assert private_text(refused)
    assert "👍 0" in str(answer.response.components if answer.response else "")
    async with world.database.read() as session:
        assert AuditAction.FOREIGN_ID in [entry.action for entry in await audit.recent(session, limit=5)]


async def test_broken_form_is_refused_privately(world: World) -> None:
    for fields in ([], [{"type": 18}], [{"type": 18, "component": {"value": 7}}], [{"type": 99, "component": []}]):
        data = {"custom_id": f"mj1:explain:{UNKNOWN_ID}", "components": fields}
        assert private_text(await emit(world.env, world.bob, world.channel, MODAL, data)), fields


async def test_form_with_a_made_up_reason_is_refused_privately(world: World) -> None:
    field = {"type": 21, "custom_id": "reason", "value": "because"}
    data = {"custom_id": f"mj1:explain:{UNKNOWN_ID}", "components": [{"type": 18, "component": field}]}
    assert "none of those" in private_text(await emit(world.env, world.bob, world.channel, MODAL, data))


async def test_oversize_or_unreadable_idea_is_refused_privately(world: World) -> None:
    for idea in ("x" * 6000, "\u202ereversed", "zero\u200bwidth", "\x00", "/retrain", "```", "  "):
        refused = await emit(world.env, world.bob, world.channel, COMMAND, slash(world.env, "mjprompt", idea=idea))
        assert private_text(refused), idea
    assert (await world.services.chat.status()).queue_length == 0
