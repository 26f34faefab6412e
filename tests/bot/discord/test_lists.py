"""The private lists: a page at a time, with buttons that work after a restart."""

from tests.bot.discord.conftest import World
from tests.bot.discord.reading import buttons_of, custom_ids_of, private_text, text_of


async def asked(world: World, number: int) -> None:
    for count in range(number):
        await world.ask(f"idea number {count + 1}", count=1)


async def test_history_is_private_and_paged_newest_first(world: World) -> None:
    await asked(world, 7)
    page = await world.alice.slash(world.channel, "history")
    assert page.ephemeral
    assert "idea number 7" in text_of(page.response)
    assert "idea number 2 " not in text_of(page.response)
    await world.restart()
    await world.alice.click(page.response, label="Older")
    assert "idea number 2" in text_of(page.response)
    assert "idea number 7" not in text_of(page.response)
    assert "Older" not in buttons_of(page.response)
    await world.alice.click(page.response, label="Newer")
    assert "idea number 7" in text_of(page.response)


async def test_history_shows_an_answer_whole_again_with_working_buttons(world: World) -> None:
    await world.ask()
    page = await world.alice.slash(world.channel, "history")
    shown = await world.alice.click(page.response, label="Show")
    assert shown.ephemeral
    await world.alice.click(shown.response, custom_id=custom_ids_of(shown.response, "up")[0])
    assert "👍 1" in buttons_of(shown.response)


async def test_empty_lists_say_how_to_fill_them(world: World) -> None:
    assert "/mjprompt" in private_text(await world.bob.slash(world.channel, "history"))
    assert "Save" in private_text(await world.bob.slash(world.channel, "favorites"))


async def test_favorites_can_be_varied_shared_and_removed(world: World) -> None:
    answer = await world.ask()
    await world.bob.click(answer.response, custom_id=custom_ids_of(answer.response, "save")[1])
    page = await world.bob.slash(world.channel, "favorites")
    assert page.ephemeral
    assert text_of(page.response).count("```") == 2
    shared = await world.bob.click(page.response, label="Share")
    await world.deliver()
    assert "```" in text_of(shared.response)
    assert (await world.bob.click(page.response, label="Vary")).ephemeral
    removed = await world.bob.click(page.response, label="Remove")
    assert "out of your favorites" in private_text(removed)


async def test_queue_shows_own_requests_and_cancels_one(world: World) -> None:
    await world.alice.slash(world.channel, "mjprompt", idea="a slow idea")
    queue = await world.alice.slash(world.channel, "queue")
    assert queue.ephemeral
    assert "a slow idea" in text_of(queue.response)
    await world.alice.click(queue.response, label="Cancel")
    assert "a slow idea" not in text_of(queue.response)
    assert "nothing waiting" in text_of(queue.response)


async def test_queue_of_somebody_else_shows_no_ideas_of_mine(world: World) -> None:
    await world.alice.slash(world.channel, "mjprompt", idea="a slow idea")
    queue = await world.bob.slash(world.channel, "queue")
    assert "a slow idea" not in private_text(queue)
    assert "1" in private_text(queue)


async def test_cancel_takes_back_all_open_requests_of_the_person(world: World) -> None:
    for idea in ("one", "two"):
        await world.alice.slash(world.channel, "mjprompt", idea=idea)
    await world.bob.slash(world.channel, "mjprompt", idea="three")
    assert "2" in private_text(await world.alice.slash(world.channel, "cancel"))
    assert "nothing waiting" in private_text(await world.alice.slash(world.channel, "cancel"))
    assert (await world.services.chat.status()).queue_length == 1
