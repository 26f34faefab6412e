"""The demo with a model of no weights: what is told, what is drawn, and that nothing drawn is cut off."""

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.async_api import Page
from rich.console import Console

from core.settings import PROJECT_ROOT
from tests.bot.chromium import running_chromium
from tests.demo import discord_drawing, slack_drawing
from tests.demo.__main__ import run
from tests.demo.page import Conversation, frame_html, page_html
from tests.demo.pictures import NARROW, SCALE, WIDE, draw
from tests.demo.play import play
from tests.demo.steps import DemoFailed, Steps
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.slack.server import FakeSlack

NUM_ACKNOWLEDGED = {"Discord": 12, "Slack": 10}
CUT_OFF = """() => [...document.querySelectorAll("main *")]
    .filter((each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== "inline")
    .map((each) => each.outerHTML.slice(0, 200))"""


def width_of(picture: Path) -> int:
    """Return the width that a PNG says it has."""
    return struct.unpack(">I", picture.read_bytes()[16:20])[0]


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def cut_off(page: Page, pieces: Sequence[str], platform: str) -> list[str]:
    """Return the elements of a drawing whose content is wider than they are."""
    conversation = Conversation(platform=platform, place="Snow club", channel="prompts", pieces=[], highlights=[])
    await page.set_content(page_html([frame_html(conversation, pieces)], column_width=NARROW))
    return await page.evaluate(CUT_OFF)


async def test_demo_tells_and_draws_both_conversations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DELAY_SECONDS", "0.3")
    told = io.StringIO()
    discord, slack = await play(Console(file=told, width=200), module="tests.app.fake_cli")
    lines = told.getvalue().splitlines()
    for label, number in NUM_ACKNOWLEDGED.items():
        assert sum(line.startswith(label) and "acknowledged after" in line for line in lines) == number
    for drawn in ("".join(discord.pieces), "".join(slack.pieces)):
        assert drawn.count("idea 1</pre>") >= 1
        assert drawn.count('">👍 1</b>') == drawn.count('">👎 1</b>') == 1
        assert drawn.count(">Tell us why</b>") == 1
        assert "Only operators of this bot may do that" in drawn
    assert "<b>alice</b> used <a>/mjprompt</a>" in discord.pieces[0]
    assert "Learning from you: not allowed" in "".join(discord.pieces)
    assert "Your favorites" in slack.pieces[-1]

    pictures = await draw(tmp_path, discord, slack)
    assert {name: width_of(file) for name, file in pictures.items()} == {
        "conversations": pytest.approx((2 * NARROW + 16) * SCALE, abs=2),
        "discord": pytest.approx(WIDE * SCALE, abs=2),
        "slack": pytest.approx(WIDE * SCALE, abs=2),
    }
    async with running_chromium() as chromium:
        page = await chromium.new_page()
        assert await cut_off(page, discord.pieces, "discord") == []
        assert await cut_off(page, slack.pieces, "slack") == []


async def test_what_is_too_wide_is_found_out() -> None:
    async with running_chromium() as chromium:
        page = await chromium.new_page()
        assert await cut_off(page, ['<p style="white-space: nowrap">' + "wide " * 200 + "</p>"], "slack") != []


async def test_drawn_text_is_never_markup() -> None:
    async with FakeDiscord() as discord, FakeSlack() as slack:
        channel = discord.add_guild("<i>club</i>").add_channel("prompts")
        written = {"content": "<b>bold</b> & \\*plain\\*", "interaction": None}
        message = discord.world.add_message(channel, discord.add_user("<u>mallory"), written)
        drawn = discord_drawing.message_html(message)
        assert "&lt;b&gt;bold&lt;/b&gt; &amp; *plain*" in drawn
        assert "<u>" not in drawn
        team = slack.add_team("club")
        said = team.add_user("<u>mallory").at(team.add_channel("prompts")).says("<b>bold</b> & *plain*")
        drawn = slack_drawing.message_html(said)
        assert "&lt;b&gt;bold&lt;/b&gt; &amp; *plain*" in drawn
        assert "<u>" not in drawn


async def test_product_that_cannot_start_fails_the_demo_with_its_own_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_LOAD", "missing")
    told = io.StringIO()
    assert await run(Console(file=told, width=200), tmp_path, module="tests.app.fake_cli") == 1
    assert "Demo     failed: mjprompt run did not get ready" in told.getvalue()
    assert "The model folder /nowhere is missing; set MODEL_ID." in told.getvalue()
    assert names_in(tmp_path) == []


def test_missing_acknowledgement_fails_the_demo() -> None:
    steps = Steps(Console(file=io.StringIO()), "Slack")
    with pytest.raises(DemoFailed, match="alice asks, and nothing acknowledged it"):
        steps.acknowledged("alice asks", None)


@pytest.mark.parametrize("name", ["conversations", "discord", "slack"])
def test_pictures_in_docs_are_small_enough_for_a_page(name: str) -> None:
    assert 50_000 < (PROJECT_ROOT / "docs" / f"{name}.png").stat().st_size < 400_000
