"""The page in a real headless Chromium, over the real server, database and queue."""

from typing import Any

from playwright.async_api import Route, expect

from bot.watcher import RequestWatcher
from bot.web.application import create_app, start_site
from core.records import WorkerState
from tests.bot.chat_page import IDEA, ChatPage
from tests.bot.conftest import MakeSettings, Site


async def test_ask_rate_undo_change_and_find_all_of_it_after_a_reload(chat: ChatPage) -> None:
    await chat.ask_and_wait(f"/mjprompt {IDEA}")
    await expect(chat.log.get_by_text(f"/mjprompt {IDEA}", exact=True)).to_be_visible()
    await expect(chat.cards.first).to_contain_text(IDEA)

    up, down = chat.thumb("up"), chat.thumb("down")
    await up.click()
    await expect(up).to_have_attribute("aria-pressed", "true")
    await expect(up).to_have_text("1")
    await up.click()
    await expect(up).to_have_attribute("aria-pressed", "false")
    await expect(up).to_have_text("0")
    await up.click()
    async with chat.page.expect_response("**/vote") as voted:
        await down.click()
    await voted.value
    await expect(up).to_have_text("0")
    await expect(down).to_have_text("1")
    async with chat.page.expect_response("**/vote"):
        await chat.thumb("up", 3).click()

    await chat.page.reload()
    await expect(chat.cards).to_have_count(4)
    await expect(chat.thumb("down")).to_have_attribute("aria-pressed", "true")
    await expect(chat.thumb("up", 3)).to_have_attribute("aria-pressed", "true")
    await expect(chat.thumb("up", 2)).to_have_attribute("aria-pressed", "false")


async def test_presses_faster_than_the_server_end_at_the_last_one(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    for direction in ("up", "down", "up", "up", "down"):
        await chat.thumb(direction).click()
    await expect(chat.thumb("down")).to_have_attribute("aria-pressed", "true")
    await chat.page.wait_for_load_state("networkidle")
    await chat.page.reload()
    await expect(chat.thumb("down")).to_have_text("1")
    await expect(chat.thumb("up")).to_have_text("0")


async def test_whole_chat_works_by_keyboard_alone(chat: ChatPage, site: Site) -> None:
    keyboard = chat.page.keyboard
    await expect(chat.box).to_be_focused()
    await keyboard.type("/")
    options = chat.page.get_by_role("listbox", name="Commands").get_by_role("option")
    await expect(options).to_have_count(10)
    await expect(chat.box).to_have_attribute("aria-activedescendant", "suggestion-0")
    await keyboard.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    await keyboard.press("ArrowUp")
    await keyboard.press("Tab")
    await expect(chat.box).to_have_value("/mjprompt ")
    await keyboard.type("a boy")
    await keyboard.press("Shift+Enter")
    await keyboard.type("running")
    await expect(chat.box).to_have_value("/mjprompt a boy\nrunning")
    await chat.box.fill("")

    await keyboard.type("/hel")
    await keyboard.press("Escape")
    await expect(options).to_have_count(0)
    await expect(chat.box).to_have_value("/hel")
    await keyboard.type("p")
    await keyboard.press("Enter")
    await expect(chat.log).to_contain_text("the prompts you saved")

    await keyboard.type(IDEA)
    await keyboard.press("Enter")
    await expect(chat.cards).to_have_count(4)
    await expect(chat.box).to_be_focused()
    await keyboard.press("ArrowUp")
    await expect(chat.box).to_have_value(IDEA)
    await keyboard.press("ArrowDown")
    await expect(chat.box).to_have_value("")

    await keyboard.press("Shift+Tab")
    await expect(chat.page.get_by_role("button", name="Delete")).to_be_focused()
    for _ in range(2):
        await keyboard.press("Shift+Tab")
    await keyboard.press("Shift+Tab")
    await expect(chat.thumb("down", 4)).to_be_focused()
    assert await chat.thumb("down", 4).evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    await keyboard.press("Space")
    await expect(chat.thumb("down", 4)).to_have_attribute("aria-pressed", "true")
    assert len(site.worker.answered) == 1


async def test_place_in_line_counts_down_and_the_answer_takes_its_place(chat: ChatPage, site: Site) -> None:
    site.worker.pause()
    async with site.browser() as other:
        async with other.post("/api/requests", json={"text": "somebody else's idea"}) as reply:
            ahead = (await reply.json())["id"]
        await chat.ask()
        await expect(chat.log).to_contain_text("2nd in line")
        async with other.post(f"/api/requests/{ahead}/cancel"):
            pass
        await expect(chat.log).to_contain_text("Next in line")
    await expect(chat.log).not_to_contain_text("2nd in line")
    site.worker.resume()
    await expect(chat.cards).to_have_count(4)
    await expect(chat.log).not_to_contain_text("in line")


async def test_cancelled_request_says_so_and_gives_the_focus_back(chat: ChatPage, site: Site) -> None:
    site.worker.pause()
    await chat.ask()
    await chat.page.get_by_role("button", name="Cancel").press("Enter")
    await expect(chat.log).to_contain_text("Cancelled.")
    await expect(chat.box).to_be_focused()
    site.worker.resume()
    await chat.page.get_by_role("button", name="Again").click()
    await expect(chat.cards).to_have_count(4)
    assert len(site.worker.answered) == 1


async def test_many_waiting_requests_leave_connections_for_everything_else(chat: ChatPage, site: Site) -> None:
    """Each used to hold a long poll, and with six of them a browser sends nothing more to the same host."""
    await chat.ask_and_wait()
    site.worker.pause()
    for number in range(8):
        await chat.ask(f"idea {number}")
    await expect(chat.log).to_contain_text("8th in line")
    async with chat.page.expect_response("**/vote", timeout=3_000):
        await chat.thumb("up").click()
    await chat.page.get_by_role("button", name="Cancel").last.click()
    await expect(chat.log).to_contain_text("Cancelled.")
    site.worker.resume()
    await expect(chat.cards).to_have_count(4 * 8)


async def test_reload_while_waiting_keeps_waiting(chat: ChatPage, site: Site) -> None:
    site.worker.pause()
    await chat.ask()
    await expect(chat.log).to_contain_text("Next in line")
    await chat.page.reload()
    await expect(chat.log).to_contain_text("Next in line")
    site.worker.resume()
    await expect(chat.cards).to_have_count(4)


async def test_refused_idea_is_a_message_and_the_text_stays_in_the_box(chat: ChatPage) -> None:
    too_long = "a boy " * 60
    await chat.ask(too_long)
    await expect(chat.log).to_contain_text("300")
    await expect(chat.box).to_have_value(too_long.strip())
    await expect(chat.page.locator("#count")).to_contain_text("characters too many")
    await chat.ask("/foo a boy")
    await expect(chat.log).to_contain_text("There is no command /foo here")
    await chat.ask_and_wait(IDEA)
    chat.forgive_failed_loads()


async def test_message_keeps_its_place_while_the_server_restarts(
    chat: ChatPage, site: Site, make_settings: MakeSettings
) -> None:
    settings = make_settings()
    runner, port = await start_site(create_app(site.services, RequestWatcher(site.database)), settings)
    site.worker.pause()
    await chat.page.goto(f"http://127.0.0.1:{port}/")
    await chat.ask()
    await expect(chat.log).to_contain_text("Next in line")
    await runner.cleanup()
    await expect(chat.log).to_contain_text("Connection lost, trying again; your place is kept…")
    await expect(chat.page.locator("#model")).to_have_text("offline")
    site.worker.resume()
    settings = make_settings(web_port=port)
    runner, _ = await start_site(create_app(site.services, RequestWatcher(site.database)), settings)
    await expect(chat.cards).to_have_count(4)
    await expect(chat.log).not_to_contain_text("Connection lost")
    await chat.page.goto("about:blank")
    await runner.cleanup()
    chat.forgive_failed_loads()


async def test_ask_whose_reply_was_lost_is_not_asked_twice(chat: ChatPage, site: Site) -> None:
    num_lost = 0

    async def lose_first_reply(route: Route) -> None:
        nonlocal num_lost
        if num_lost == 0:
            num_lost += 1
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await chat.page.route("**/api/requests", lose_first_reply)
    await chat.ask_and_wait()
    await chat.page.reload()
    await expect(chat.cards).to_have_count(4)
    assert (num_lost, len(site.worker.answered)) == (1, 1)
    chat.forgive_failed_loads()


async def test_vote_that_cannot_be_saved_is_put_back_and_said(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    await chat.page.route("**/vote", lambda route: route.abort())
    await chat.thumb("up").click()
    await expect(chat.cards.first).to_contain_text("Your vote was not saved.")
    await expect(chat.thumb("up")).to_have_attribute("aria-pressed", "false")
    await expect(chat.thumb("up")).to_have_text("0")
    await chat.page.unroute("**/vote")
    await chat.thumb("up").click()
    await expect(chat.thumb("up")).to_have_text("1")
    await expect(chat.cards.first).not_to_contain_text("not saved")
    chat.forgive_failed_loads()


async def test_copy_gives_the_exact_prompt_and_confirms(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    prompt = await chat.cards.nth(1).locator(".prompt").text_content()
    await chat.page.get_by_role("button", name="Copy prompt 2").click()
    await expect(chat.page.get_by_role("button", name="Copied prompt 2")).to_have_text("Copied")
    assert await chat.page.evaluate("navigator.clipboard.readText()") == prompt


async def test_parameters_weights_and_links_are_told_apart_without_changing_the_text(chat: ChatPage) -> None:
    text = "https://example.com/a.png red fox::2 snow::-.5 well-lit --ar 16:9 --no hats, gloves --raw"
    page = {"requests": [request_with(text)], "next_before": None}
    await chat.page.route("**/api/history*", lambda route: route.fulfill(json=page))
    await chat.page.reload()
    prompt = chat.cards.first.locator(".prompt")
    assert await prompt.text_content() == text
    kinds = {kind: await prompt.locator(f".{kind}").all_text_contents() for kind in ("link", "weight", "parameter")}
    assert kinds == {
        "link": ["https://example.com/a.png"],
        "weight": ["::2", "::-.5"],
        "parameter": ["--ar 16:9", "--no hats, gloves", "--raw"],
    }


async def test_markup_in_ideas_prompts_and_errors_stays_text(chat: ChatPage) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"
    failed = request_with(hostile) | {"id": "0" * 26, "state": "failed", "error": hostile, "candidates": []}
    page = {"requests": [request_with(hostile), failed], "next_before": None}
    await chat.page.route("**/api/history*", lambda route: route.fulfill(json=page))
    await chat.page.reload()
    await expect(chat.cards.first).to_contain_text(hostile)
    assert await chat.log.locator("b, img:not(.avatar)").count() == 0
    assert await chat.page.title() == "mjprompt"
    assert await chat.log.get_by_text(hostile).count() == 4


async def test_history_loads_older_pages_until_the_greeting(chat: ChatPage, site: Site) -> None:
    [cookie] = await chat.context.cookies()
    async with site.browser(cookies={cookie["name"]: cookie["value"]}) as same_browser:
        for number in range(12):
            async with same_browser.post("/api/requests", json={"text": f"idea number {number}"}) as reply:
                assert reply.status == 202
    await chat.page.reload()
    bubbles = chat.log.get_by_role("article", name="You")
    await expect(bubbles).to_have_count(10)
    await expect(bubbles.last).to_contain_text("idea number 11")
    await expect(bubbles.last).to_be_in_viewport()
    await expect(chat.page.get_by_role("heading", name="What do you want to see?")).to_have_count(0)
    await chat.page.get_by_role("button", name="Show older").click()
    await expect(bubbles).to_have_count(12)
    await expect(bubbles.first).to_contain_text("idea number 0")
    await expect(chat.page.get_by_role("button", name="Show older")).to_be_hidden()
    await expect(chat.page.get_by_role("heading", name="What do you want to see?")).to_have_count(1)


async def test_consent_is_off_by_default_and_kept(chat: ChatPage) -> None:
    switch = chat.page.get_by_role("switch", name="Let my votes teach the next model")
    await expect(switch).to_be_enabled()
    await expect(switch).not_to_be_checked()
    async with chat.page.expect_response("**/api/consent"):
        await switch.click()
    await chat.page.reload()
    await expect(switch).to_be_checked()
    await expect(chat.page.get_by_text("Switch off at any time.")).to_be_visible()


async def test_header_says_which_model_serves_and_whether_it_is_there(chat: ChatPage, site: Site) -> None:
    status = chat.page.locator("#model")
    await expect(status).to_have_text("pocketready")
    await site.worker.announce(WorkerState.LOADING)
    await expect(status).to_have_text("loading…")
    await site.worker.retire()
    site.worker.pause()
    await expect(status).to_have_text("model away")
    await chat.ask()
    await expect(chat.log).to_contain_text("Next in line, waiting for the model to come back")


async def test_colours_follow_the_system_until_the_button_is_pressed_and_then_stay(chat: ChatPage) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(243, 245, 247)", "rgb(14, 20, 26)"
    seen = []
    for scheme in ("light", "dark"):
        await chat.page.emulate_media(color_scheme=scheme)
        seen.append(await chat.page.evaluate(background))
    await chat.page.get_by_role("button", name="Use light colours").click()
    seen.append(await chat.page.evaluate(background))
    await chat.page.reload()
    seen.append(await chat.page.evaluate(background))
    await expect(chat.page.get_by_role("button", name="Use dark colours")).to_be_visible()
    assert seen == [light, dark, light, light]


async def test_nothing_scrolls_sideways_from_320_pixels_to_wide(chat: ChatPage) -> None:
    await chat.ask_and_wait("a boy " + "n" * 120)
    for width in (320, 375, 768, 1280, 2560):
        await chat.page.set_viewport_size({"width": width, "height": 700})
        overflow = await chat.page.evaluate(
            """() => [document.documentElement, document.getElementById("scroller")]
                .map((element) => element.scrollWidth - element.clientWidth)"""
        )
        assert overflow == [0, 0], width
        columns = await chat.page.locator(".cards").evaluate(
            "list => getComputedStyle(list).gridTemplateColumns.split(' ').length"
        )
        assert columns == (1 if width < 600 else 2), width


async def test_everything_that_can_be_pressed_has_a_name_and_is_large_enough(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    await chat.page.set_viewport_size({"width": 320, "height": 700})
    pressable = chat.page.locator("button:visible, input:visible, textarea:visible, a:visible")
    names = [await item.evaluate(ACCESSIBLE_NAME) for item in await pressable.all()]
    assert len(names) >= 4 * 5 + 3 + 3 + 4
    assert all(names)
    assert len({name for name in names if "prompt" in name}) == 20
    boxes = [await item.bounding_box() for item in await chat.page.locator("button:visible").all()]
    assert all(box is not None and box["height"] >= 38 and box["width"] >= 38 for box in boxes)
    await expect(chat.log).to_have_attribute("aria-live", "polite")
    headings = await chat.page.get_by_role("heading").all_text_contents()
    assert headings == ["mjprompt", "What do you want to see?"]


async def test_nothing_moves_for_people_who_asked_for_less_motion(chat: ChatPage, site: Site) -> None:
    await chat.page.emulate_media(reduced_motion="reduce")
    site.worker.pause()
    await chat.ask()
    await expect(chat.log).to_contain_text("Next in line")
    await chat.page.wait_for_timeout(200)
    assert await chat.page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length") == 0


async def test_example_is_asked_with_one_click(chat: ChatPage) -> None:
    await chat.page.get_by_role("button", name=IDEA).click()
    await expect(chat.cards).to_have_count(4)
    await expect(chat.log.get_by_text(f"/mjprompt {IDEA}")).to_be_visible()


async def test_reader_who_scrolled_up_is_not_pulled_down_but_told(chat: ChatPage, site: Site) -> None:
    for number in range(3):
        await chat.ask_and_wait(f"idea {number}")
    site.worker.pause()
    await chat.ask("the last idea")
    scroller = chat.page.get_by_label("Conversation")
    await scroller.hover()
    await chat.page.mouse.wheel(0, -4000)
    newest = chat.page.get_by_role("button", name="Newest")
    await expect(newest).to_be_visible()
    site.worker.resume()
    await expect(chat.cards).to_have_count(16)
    assert await scroller.evaluate("element => element.scrollTop") < 50
    await newest.click()
    await expect(chat.cards.last).to_be_in_viewport()


ACCESSIBLE_NAME = """element => element.getAttribute("aria-label")
    || [...(element.labels ?? [])].map((label) => label.textContent.trim()).join(" ")
    || element.textContent.trim()"""


def request_with(text: str) -> dict[str, Any]:
    """Return an answered request as the API shows it, with `text` for an idea and a prompt."""
    votes = {"votes_up": 0, "votes_down": 0, "my_vote": None, "is_saved": False}
    moment = "2026-01-01T00:00:00+00:00"
    return {
        "id": "0" * 25 + "2",
        "kind": "ask",
        "is_private": False,
        "idea": text,
        "subject": text,
        "state": "done",
        "seen": "done",
        "position": None,
        "eta_seconds": None,
        "created_at": moment,
        "started_at": moment,
        "finished_at": moment,
        "error": None,
        "model": None,
        "candidates": [{"id": "0" * 25 + "1", "rank": 1, "text": text, "score": -0.5, **votes}],
    }
