"""The Home tab on Slack: published when it is opened, and drawn again after what the person changes."""

from tests.bot.slack.conftest import IDEA, World
from tests.fakes.slack.people import Person
from tests.fakes.slack.views import View


async def opened(world: World, person: Person) -> View:
    await person.opens_home()
    return await world.slack.wait_for(lambda: person.home)


async def test_home_shows_favourites_history_settings_and_privacy(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.alice.click(answer, "Save", nth=1)
    home = await opened(world, world.alice.person)
    for fragment in ("Your favorites", "watercolour", "Your requests", IDEA, "Settings of this", "Your data"):
        assert fragment in home.text
    labels = [label for label, _, _ in home.buttons]
    assert {"Remove", "Show", "Change", "Allow learning", "Export", "Delete everything"} <= set(labels)


async def test_home_is_drawn_again_after_changes_made_elsewhere(world: World) -> None:
    home = await opened(world, world.alice.person)
    assert "You have not asked" in home.text
    answer = await world.asked(world.alice)
    await world.shown(lambda: IDEA in home.text)
    await world.alice.click(answer, "Save")
    await world.shown(lambda: "long shadows" in home.text.partition("Your requests")[0])


async def test_home_of_somebody_who_never_looked_is_left_alone(world: World) -> None:
    await world.asked(world.alice)
    assert world.slack.calls_of("views.publish") == []


async def test_buttons_of_the_home_tab_redraw_it(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.alice.click(answer, "Save")
    person = world.alice.person
    home = await opened(world, person)
    await person.click(home, "Allow learning")
    await world.shown(lambda: "Learning from you: allowed" in home.text)
    await person.click(home, "Remove")
    await world.shown(lambda: "You have not saved anything" in home.text)


async def test_history_on_the_home_tab_turns_pages(world: World) -> None:
    for number in range(7):
        await world.services.chat.ask(world.identity(world.alice), f"idea {number}")
    home = await opened(world, world.alice.person)
    await world.alice.person.click(home, "Older")
    await world.shown(lambda: "idea 0" in home.text)
    await world.alice.person.click(home, "Newer")
    await world.shown(lambda: "idea 6" in home.text)


async def test_request_on_the_home_tab_opens_as_a_page(world: World) -> None:
    await world.asked(world.alice)
    home = await opened(world, world.alice.person)
    await world.alice.person.click(home, "Show")
    page = await world.form(world.alice.person, "Show")
    assert "children's book illustration" in page.text


async def test_export_from_the_home_tab_comes_as_a_direct_message(world: World) -> None:
    home = await opened(world, world.alice.person)
    await world.alice.person.click(home, "Export")
    await world.direct(world.alice, "as JSON")


async def test_delete_everything_from_the_home_tab_empties_it(world: World) -> None:
    await world.asked(world.alice)
    home = await opened(world, world.alice.person)
    await world.alice.person.click(home, "Delete everything")
    await world.alice.person.submit(await world.form(world.alice.person, "Delete everything?"))
    await world.shown(lambda: "You have not asked" in home.text)


async def test_settings_from_the_home_tab_are_refused_to_people_who_are_no_admins(world: World) -> None:
    home = await opened(world, world.alice.person)
    await world.alice.person.click(home, "Change")
    await world.direct(world.alice, "Only admins")
    assert not world.alice.person.views


async def test_repeated_event_publishes_the_same_home(world: World) -> None:
    event = await world.alice.person.opens_home()
    await world.slack.replay(event)
    await world.slack.wait_for(lambda: len(world.slack.calls_of("views.publish")) == 2)
    assert world.alice.person.home is not None


async def test_other_tabs_of_the_app_publish_nothing(world: World) -> None:
    event = {"type": "app_home_opened", "user": world.alice.person.id, "channel": "D1", "tab": "messages"}
    await world.team.send_event(event)
    assert world.slack.calls_of("views.publish") == []
