"""What goes on from an answer on Slack: vary, remix, re-roll, save, share, delete."""

import asyncio

from core.records import AuditAction, RequestKind
from tests.bot.audit_rows import audit_rows
from tests.bot.slack.conftest import IDEA, World


async def test_vary_answers_in_a_message_of_its_own(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "Vary", nth=2)
    varied = await world.message(world.channel, "More like this")
    await world.shown(lambda: "children's book" in varied.text or len(varied.buttons) > 4)
    assert len(world.channel.messages) == 2
    (request_id,) = await world.requests(world.bob)
    assert (await world.services.chat.view(world.identity(world.bob), request_id)).kind is RequestKind.VARY


async def test_double_click_asks_once(world: World) -> None:
    answer = await world.asked(world.alice)
    await asyncio.gather(world.bob.click(answer, "Re-roll"), world.bob.click(answer, "Re-roll"))
    await world.message(world.channel, "Once more")
    assert len(await world.requests(world.bob)) == 1


async def test_repeated_press_asks_once(world: World) -> None:
    answer = await world.asked(world.alice)
    press = await world.bob.click(answer, "Re-roll")
    await world.slack.replay(press)
    await world.message(world.channel, "Once more")
    assert len(await world.requests(world.bob)) == 1


async def test_remix_opens_the_idea_and_asks_the_edited_one(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "Remix")
    form = await world.form(world.bob.person, "Edit the idea")
    assert form.values({})["idea"]["answer"]["value"] == IDEA
    sent = await world.bob.submit(form, {"idea": "a girl running in the snow"})
    await world.message(world.channel, "Edited: a girl running in the snow")
    assert not form.is_open
    await world.slack.replay(sent)
    assert len(await world.requests(world.bob)) == 1


async def test_remix_shows_in_the_form_what_cannot_be_taken(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "Remix")
    form = await world.form(world.bob.person, "Edit the idea")
    await world.bob.submit(form, {"idea": "**bold** words"})
    assert "formatting" in form.errors["idea"]
    assert await world.requests(world.bob) == []


async def test_save_toggles_and_says_so_privately(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "Save")
    await world.private(world.bob, "Saved to your favorites")
    press = await world.bob.click(answer, "Save")
    await world.private(world.bob, "Taken out of your favorites")
    await world.slack.replay(press)
    saved = await world.services.collection.favorites(world.identity(world.bob), before=None, limit=5)
    assert saved == []


async def test_share_shows_one_prompt_to_everybody_without_buttons(world: World) -> None:
    answer = await world.asked(world.alice)
    press = await world.bob.click(answer, "Share", nth=1)
    await world.private(world.bob, "Shared with everybody")
    shared = await world.message(world.channel, "Shared: ")
    await world.shown(lambda: "watercolour" in shared.text)
    assert shared.buttons == []
    await world.slack.replay(press)
    await asyncio.sleep(0.6)
    assert len(world.channel.messages) == 2


async def test_delete_takes_message_and_rows_of_the_asker(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.alice.click(answer, "Delete")
    await world.shown(lambda: answer.is_deleted)
    await world.private(world.alice, "Deleted")
    assert await world.requests(world.alice) == []


async def test_delete_by_somebody_else_is_refused(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "Delete")
    await world.shown(lambda: any(each.is_ephemeral for each in world.bob.sees()))
    assert not answer.is_deleted
    assert len(await world.requests(world.alice)) == 1


async def test_cancel_by_somebody_else_is_refused(world: World) -> None:
    world.worker.pause()
    await world.alice.slash("/mjprompt", IDEA)
    waiting = await world.message(world.channel, "in the line")
    await world.bob.click(waiting, "Cancel")
    await world.shown(lambda: any(each.is_ephemeral for each in world.bob.sees()))
    world.worker.resume()
    await world.message(world.channel, "children's book illustration")


async def test_private_prompt_pressed_by_a_stranger_to_it_tells_nothing(world: World) -> None:
    await world.alice.slash("/mjprompt", f"{IDEA} --private")
    answer = await world.direct(world.alice, "children's book illustration")
    target = next(action_id for label, action_id, _ in answer.buttons if label == "👍 0")
    public = await world.asked(world.alice, "another idea")
    await world.bob.click_forged(public, target, None)
    known = await world.shown(lambda: next((each for each in world.bob.sees() if each.is_ephemeral), None))
    nothing = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    await world.bob.click_forged(public, f"mj1:up:{nothing}", None)
    unknown = await world.shown(lambda: next((e for e in world.bob.sees() if e.is_ephemeral and e is not known), None))
    assert known.text.replace(target.rpartition(":")[2], nothing) == unknown.text
    assert (AuditAction.FOREIGN_ID, False) in await audit_rows(world.database)
