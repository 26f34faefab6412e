"""What the page offers below an answer and in its panels, in a real headless Chromium over the real server."""

import hashlib
import json
import re

from playwright.async_api import Browser, Request, expect

from bot.commands import Command
from bot.web.routes import STATIC_FOLDER
from tests.bot.chat_page import IDEA, ChatPage, open_chat
from tests.bot.conftest import MakeSettings, Site, running_site

OPERATOR = "a" * 22


async def test_vary_remix_and_reroll_go_on_in_the_conversation(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    bubbles = chat.log.get_by_role("article", name="You")
    await chat.page.get_by_role("button", name="Vary prompt 2").click()
    await expect(chat.cards).to_have_count(8)
    await expect(bubbles.nth(1)).to_contain_text(f"Vary {IDEA}")

    await chat.page.get_by_role("button", name="Re-roll").first.click()
    await expect(chat.cards).to_have_count(12)
    await expect(bubbles.nth(2)).to_have_text(f"Re-roll {IDEA}")

    await chat.page.get_by_role("button", name="Remix", exact=True).first.click()
    await expect(chat.box).to_be_focused()
    await expect(chat.box).to_have_value(IDEA)
    await expect(chat.page.get_by_text(f"Remix of {IDEA}")).to_be_visible()
    await chat.ask("an old man running in the snow")
    await expect(chat.cards).to_have_count(16)
    await expect(bubbles.nth(3)).to_have_text("Remix an old man running in the snow")
    await expect(chat.page.get_by_text("Remix of")).to_be_hidden()

    await chat.page.reload()
    await expect(chat.cards).to_have_count(16)
    assert [text.split()[0] for text in await bubbles.all_text_contents()] == ["/mjprompt", "Vary", "Re-roll", "Remix"]


async def test_remix_is_left_with_escape_and_kept_when_the_text_is_refused(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    mark = chat.page.get_by_text("Remix of")
    remix = chat.page.get_by_role("button", name="Remix", exact=True)
    await remix.click()
    await chat.box.press("Escape")
    await expect(mark).to_be_hidden()
    await expect(chat.box).to_have_value("")
    await remix.click()
    await chat.ask("a boy @everyone")
    await expect(chat.log).to_contain_text("@everyone, which cannot be taken")
    await expect(mark).to_be_visible()
    await expect(chat.box).to_have_value("a boy @everyone")
    chat.forgive_failed_loads()


async def test_pressing_twice_asks_once(chat: ChatPage) -> None:
    """Both presses had the same key, so that one request stood in the conversation twice."""
    await chat.ask_and_wait()
    await chat.page.get_by_role("button", name="Vary prompt 2").evaluate("button => (button.click(), button.click())")
    await expect(chat.cards).to_have_count(8)
    await expect(chat.log.get_by_role("article", name="You")).to_have_count(2)


async def test_form_after_a_thumb_down_is_in_view_on_a_phone(chat: ChatPage) -> None:
    """The conversation scrolled back to the start of the answer, and the form was below the edge."""
    await chat.page.set_viewport_size({"width": 375, "height": 700})
    await chat.ask_and_wait()
    await chat.thumb("down", 2).click()
    form = chat.page.get_by_role("form", name="What is wrong with prompt 2?")
    await expect(form.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)


async def test_form_after_a_thumb_down_can_be_left_alone_or_sent(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    form = chat.page.get_by_role("form", name="What is wrong with prompt 1?")
    await chat.thumb("up").click()
    await expect(form).to_have_count(0)
    await chat.thumb("down").click()
    await expect(chat.thumb("down")).to_be_focused()
    await form.get_by_role("button", name="Not now").click()
    await expect(form).to_have_count(0)
    await expect(chat.thumb("down")).to_have_attribute("aria-pressed", "true")

    await chat.thumb("down").click()
    await expect(form).to_have_count(0)
    await chat.thumb("down").click()
    await form.get_by_role("button", name="Send").click()
    await expect(form).to_contain_text("Choose a reason or write a better prompt")
    await form.get_by_role("radio", name="Off topic").check(force=True)
    await form.get_by_label("A better prompt").fill("a boy --sparkle 5")
    await form.get_by_role("button", name="Send").click()
    await expect(form).to_contain_text("sparkle")
    await form.get_by_label("A better prompt").fill("a boy, drawn with a pencil")
    await form.get_by_role("button", name="Send").click()
    await expect(chat.cards.first).to_contain_text("Thank you, that is noted.")
    await expect(form).to_have_count(0)

    await chat.page.reload()
    await expect(chat.thumb("down")).to_have_attribute("aria-pressed", "true")
    await expect(form).to_have_count(0)
    await chat.command("/privacy")
    await expect(chat.panel).to_contain_text("Reasons and better prompts1")
    chat.forgive_failed_loads()


async def test_form_at_the_end_of_a_long_answer_opens_in_view(chat: ChatPage) -> None:
    """The page used to keep the start of a followed answer in view, which pulled a reader at its end back up."""
    await chat.page.set_viewport_size({"width": 375, "height": 780})
    await chat.ask_and_wait()
    await chat.page.get_by_label("Conversation").hover()
    await chat.page.mouse.wheel(0, 4000)
    await expect(chat.page.get_by_role("button", name="Delete")).to_be_in_viewport()
    await chat.thumb("down", 4).click()
    send = chat.page.get_by_role("form", name="What is wrong with prompt 4?").get_by_role("button", name="Send")
    await expect(send).to_be_in_viewport(ratio=1)


async def test_saved_prompt_is_among_the_favourites_until_its_star_is_pressed_again(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    await chat.page.get_by_role("button", name="Save prompt 3").click()
    star = chat.cards.nth(2).get_by_role("button", name="Saved prompt 3; press to remove")
    await expect(star).to_have_attribute("aria-pressed", "true")
    await chat.command("/favorites")
    favorites = chat.panel.get_by_role("list", name="Prompts you saved").get_by_role("listitem")
    await expect(favorites).to_have_count(1)
    async with chat.page.expect_response("**/saved"):
        await favorites.get_by_role("button", name="press to remove").click()
    await chat.page.keyboard.press("Escape")
    await expect(chat.panel).to_be_hidden()
    await expect(chat.box).to_be_focused()
    await expect(chat.page.get_by_role("button", name="Save prompt 3")).to_have_attribute("aria-pressed", "false")
    await chat.command("/favorites")
    await expect(chat.panel).to_contain_text("Nothing is saved yet.")


async def test_save_that_does_not_arrive_is_put_back_and_said(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    await chat.page.route("**/saved", lambda route: route.abort())
    await chat.page.get_by_role("button", name="Save prompt 1").click()
    await expect(chat.cards.first).to_contain_text("This was not saved.")
    await expect(chat.page.get_by_role("button", name="Save prompt 1")).to_have_attribute("aria-pressed", "false")
    chat.forgive_failed_loads()


async def test_delete_asks_first_and_then_takes_the_exchange_away_for_good(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    await chat.page.get_by_role("button", name="Delete").press("Enter")
    question = chat.page.get_by_role("group", name="Delete this idea")
    await expect(question.get_by_role("button", name="Keep")).to_be_focused()
    await chat.page.keyboard.press("Escape")
    await expect(question).to_have_count(0)
    await expect(chat.page.get_by_role("button", name="Delete")).to_be_focused()
    await chat.page.keyboard.press("Enter")
    await question.get_by_role("button", name="Delete").click()
    await expect(chat.cards).to_have_count(0)
    await expect(chat.box).to_be_focused()
    await chat.page.reload()
    await expect(chat.page.get_by_role("heading", name="What do you want to see?")).to_be_visible()
    await expect(chat.cards).to_have_count(0)


async def test_history_panel_pages_through_all_and_shows_each_ones_prompts(chat: ChatPage, site: Site) -> None:
    [cookie] = await chat.context.cookies()
    async with site.browser(cookies={cookie["name"]: cookie["value"]}) as same_browser:
        for number in range(11):
            async with same_browser.post("/api/requests", json={"text": f"idea number {number}"}) as reply:
                assert reply.status == 202
    await chat.ask_and_wait("the newest idea")
    await chat.command("/history")
    rows = chat.panel.locator(".row")
    await expect(rows).to_have_count(10)
    await expect(rows.first).to_contain_text("the newest idea")
    await rows.first.locator("summary").click()
    await expect(rows.first.get_by_role("button", name="Copy prompt 4")).to_be_visible()
    await chat.panel.get_by_role("button", name="Show more").click()
    await expect(rows).to_have_count(12)
    await expect(rows.last).to_contain_text("idea number 0")
    await expect(chat.panel.get_by_role("button", name="Show more")).to_be_hidden()


async def test_queue_shows_what_waits_and_takes_it_back_one_by_one_or_all(chat: ChatPage, site: Site) -> None:
    site.worker.pause()
    for number in range(3):
        await chat.ask(f"idea {number}")
    await expect(chat.log).to_contain_text("3rd in line")
    await chat.command("/queue")
    rows = chat.panel.get_by_role("list", name="What you have waiting").get_by_role("listitem")
    await expect(rows).to_have_count(3)
    await chat.panel.get_by_role("button", name="Cancel idea 1").click()
    await expect(rows).to_have_count(2)
    await chat.panel.get_by_role("button", name="Close").click()
    await chat.command("/cancel")
    await expect(chat.log).to_contain_text("Cancelled 2 requests.")
    await chat.command("/cancel")
    await expect(chat.log).to_contain_text("You have nothing waiting.")
    await expect(chat.log.get_by_text("Cancelled.", exact=True)).to_have_count(3)


async def test_privacy_exports_agrees_on_consent_and_deletes_everything(chat: ChatPage) -> None:
    await chat.ask_and_wait()
    async with chat.page.expect_response("**/vote"):
        await chat.thumb("up").click()
    await chat.page.get_by_role("button", name="Menu").click()
    await chat.page.get_by_role("button", name="Privacy").click()
    await expect(chat.panel).to_contain_text("Prompts4")
    await expect(chat.panel).to_contain_text("Votes1")

    async with chat.page.expect_download() as downloading:
        await chat.panel.get_by_role("link", name="Export as JSON").click()
    download = await downloading.value
    assert download.suggested_filename == "mjprompt-export.json"
    assert IDEA in json.dumps(json.loads((await download.path()).read_text(encoding="utf-8")))

    async with chat.page.expect_response("**/api/consent"):
        await chat.panel.get_by_role("switch", name="Let my votes teach").click()
    await expect(chat.page.locator("#consent")).to_be_checked()

    await chat.panel.get_by_role("button", name="Delete everything").click()
    question = chat.panel.get_by_role("group", name="Delete all of your ideas")
    await question.get_by_role("button", name="Delete everything").click()
    await expect(chat.panel).to_contain_text("Deleted: 1 idea with their prompts and 1 vote.")
    await chat.panel.get_by_role("button", name="Close").click()
    await expect(chat.cards).to_have_count(0)
    await expect(chat.page.locator("#consent")).not_to_be_checked()
    await chat.box.press("ArrowUp")
    await expect(chat.box).to_have_value("")
    await chat.page.reload()
    await expect(chat.page.get_by_role("heading", name="What do you want to see?")).to_be_visible()
    await expect(chat.cards).to_have_count(0)


async def test_model_panel_tells_what_serves_and_refuses_visitors_who_are_no_operators(chat: ChatPage) -> None:
    await chat.command("/model")
    await expect(chat.panel).to_contain_text("Servingpocket")
    await expect(chat.panel).to_contain_text("It has learned from nobody's votes yet.")
    await expect(chat.panel.get_by_role("button")).to_have_count(1)
    await chat.page.keyboard.press("Escape")
    for command in (
        "/retrain",
        "/retrain plan",
        "/retrain status",
        "/retrain cancel",
        "/model promote 01KB3",
        "/model rollback",
    ):
        await chat.command(command)
        await expect(chat.panel).to_contain_text("Only operators of this bot may do that")
        await chat.page.keyboard.press("Escape")
    await chat.command("/model dance")
    await expect(chat.panel).to_contain_text("There is no /model dance")
    await chat.page.keyboard.press("Escape")
    await chat.command("/retrain dance")
    await expect(chat.panel).to_contain_text("There is no /retrain dance")
    chat.forgive_failed_loads()


async def test_what_the_model_learned_from_names_ones_own_votes(chat: ChatPage) -> None:
    model = {"base": "models/pocket", "adapter": "01KB3", "precision": "fp32", "device": "cpu"}
    status = {
        "model": model,
        "is_ready": True,
        "since": "2026-01-01T12:00:00+00:00",
        "adapter_id": "01KB3",
        "num_votes": 120,
        "num_own_votes": 14,
        "is_operator": False,
        "adapters": [],
    }
    await chat.page.route("**/api/model", lambda route: route.fulfill(json=status))
    await chat.command("/model")
    await expect(chat.panel).to_contain_text("Your 14 votes trained it, among 120 in all.")
    await expect(chat.panel).to_contain_text("pocket + 01KB3")


async def test_operator_is_asked_first_and_then_told_what_was_recorded(
    make_settings: MakeSettings, chromium: Browser
) -> None:
    visitor_id = hashlib.sha256(OPERATOR.encode()).hexdigest()
    settings = make_settings(operator_ids=f"web:{visitor_id}")
    asked: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            asked.append(request.url.rpartition("/")[2])

    async with running_site(settings) as site, open_chat(chromium, site.address, visitor=OPERATOR) as chat:
        chat.page.on("request", note)
        await chat.command("/retrain")
        question = chat.panel.get_by_role("group", name="Train a new adapter")
        await question.get_by_role("button", name="Not now").click()
        await expect(question).to_have_count(0)
        assert asked == []
        await chat.panel.get_by_role("button", name="Retrain").click()
        await question.get_by_role("button", name="Retrain").click()
        await expect(chat.panel.locator(".said")).to_contain_text(re.compile(r"\w+"))
        await expect(question).to_have_count(0)
        assert asked == ["retrain"]


async def test_operator_follows_a_training_on_the_page_and_cancels_it(
    make_settings: MakeSettings, chromium: Browser
) -> None:
    settings = make_settings(operator_ids=f"web:{hashlib.sha256(OPERATOR.encode()).hexdigest()}")
    async with running_site(settings) as site, open_chat(chromium, site.address, visitor=OPERATOR) as chat:
        await chat.command("/retrain plan")
        await expect(chat.panel).to_contain_text("212 votes of 31 people")
        await expect(chat.panel).to_contain_text("Nothing has been trained from votes yet.")
        await chat.page.keyboard.press("Escape")
        await chat.command("/retrain start")
        await chat.panel.get_by_role("group", name="Train a new adapter").get_by_role("button", name="Retrain").click()
        await expect(chat.panel).to_contain_text("Planned; it begins in a moment.")  # the panel asks by itself
        await chat.panel.get_by_role("button", name="Cancel the training").click()
        await chat.panel.get_by_role("button", name="Cancel it").click()
        await expect(chat.panel).to_contain_text("Cancelled; what served before goes on.")


async def test_panel_shows_the_gate_as_a_table_and_the_canarys_votes(chat: ChatPage) -> None:
    row = {"test": "distinct-2", "champion": "0.900", "challenger": "0.500", "bound": "≥ 0.855", "verdict": "failed"}
    tally = {"num_up": 64, "num_down": 36, "num_raters": 14, "liked_share": 0.64}
    cycle = {
        "id": "01KB3",
        "state": "training",
        "is_open": True,
        "is_cancel_wanted": False,
        "num_waiting_minutes": 0,
        "progress": {"step": 50, "num_steps": 100, "loss": 2.25, "tokens_per_second": 9.0, "eta_seconds": 130.0},
        "gate": [row],
        "canary": {"champion": None, "challenger": tally},
        "reason": None,
    }
    status = {"model": None, "is_ready": False, "since": None, "adapter_id": None, "num_votes": 0, "num_own_votes": 0}
    model = status | {"is_operator": True, "adapters": []}
    await chat.page.route("**/api/model", lambda route: route.fulfill(json=model))
    await chat.page.route("**/api/cycle", lambda route: route.fulfill(json={"cycle": cycle}))
    await chat.command("/model")
    await expect(chat.panel.get_by_role("row", name="distinct-2 0.900 0.500 ≥ 0.855 failed")).to_be_visible()
    await expect(chat.panel.get_by_role("progressbar", name="Training")).to_have_attribute("value", "50")
    await expect(chat.panel).to_contain_text("Step 50 of 100, loss 2.250, about 3 min to go")
    await expect(chat.panel).to_contain_text("64 👍 36 👎 of 14 people, 64 % liked")


async def test_settings_are_kept_in_the_browser_and_sent_with_each_idea(chat: ChatPage) -> None:
    await chat.command("/settings")
    await chat.panel.get_by_label("Aspect ratio").select_option("16:9")
    await chat.panel.get_by_label("Prompts for each idea").select_option("2")
    await chat.panel.get_by_role("switch", name="Private").click()
    await expect(chat.panel).to_contain_text("Kept in this browser.")
    await chat.page.reload()
    await chat.ask()
    await expect(chat.cards).to_have_count(2)
    await expect(chat.log.get_by_text(f"/mjprompt {IDEA} --ar 16:9", exact=True)).to_be_visible()
    await expect(chat.log).to_contain_text("private")
    await chat.command("/settings")
    await expect(chat.panel.get_by_label("Aspect ratio")).to_have_value("16:9")
    await chat.panel.get_by_label("Prompts for each idea").select_option("")
    await chat.page.keyboard.press("Escape")
    await chat.ask(f"{IDEA} --ar 1:1 --count 1")
    await expect(chat.cards).to_have_count(3)
    await expect(chat.log.get_by_text(f"/mjprompt {IDEA} --ar 1:1", exact=True)).to_be_visible()


async def test_panel_that_cannot_be_loaded_says_so_and_is_tried_again(chat: ChatPage) -> None:
    await chat.page.route("**/api/history*", lambda route: route.abort())
    await chat.command("/history")
    await expect(chat.panel).to_contain_text("The chat cannot be reached right now.")
    await chat.page.unroute("**/api/history*")
    await chat.panel.get_by_role("button", name="Try again").click()
    await expect(chat.panel).to_contain_text("You have not asked for anything yet.")
    chat.forgive_failed_loads()


async def test_every_panel_fits_and_has_names_on_a_phone(chat: ChatPage) -> None:
    await chat.page.set_viewport_size({"width": 320, "height": 700})
    await chat.ask_and_wait("a boy " + "n" * 120)
    async with chat.page.expect_response("**/saved"):
        await chat.page.get_by_role("button", name="Save prompt 1").click()
    commands = ("/history", "/favorites", "/queue", "/privacy", "/model", "/settings")
    for command in commands:
        await chat.command(command)
        await expect(chat.panel).to_be_visible()
        await expect(chat.panel.get_by_text("Loading…")).to_have_count(0)
        overflow = await chat.panel.evaluate("panel => panel.scrollWidth - panel.clientWidth")
        names = await chat.panel.locator("button:visible, select:visible, input:visible").evaluate_all(
            "all => all.map((one) => one.ariaLabel || one.labels?.[0]?.textContent || one.textContent.trim())"
        )
        assert (overflow, [name for name in names if not name]) == (0, []), command
        await chat.page.keyboard.press("Escape")
        await expect(chat.panel).to_be_hidden()


def test_page_knows_the_same_commands_as_every_other_chat() -> None:
    text = (STATIC_FOLDER / "commands.js").read_text(encoding="utf-8")
    assert set(re.findall(r'name: "/(\w+)"', text)) == {*Command, "help"}
