"""The pictures of a cycle: what each scene shows, and that both platforms would take what is drawn."""

from pathlib import Path

import pytest

from bot.catalog import Catalogs
from bot.discord.views import card_view
from bot.slack.blocks import card_message
from core.settings import PROJECT_ROOT
from tests.bot.chromium import running_chromium
from tests.demo import cycle_story
from tests.demo.page import frame_html, page_html
from tests.demo.pictures import TABLE, draw_cycle
from tests.demo.test_demo import CUT_OFF
from tests.fakes.discord.component_limits import check_components
from tests.fakes.slack.limits import message_problems

MAX_BYTES = 150_000


def test_message_shows_the_training_then_the_gate_and_its_canary_then_the_end() -> None:
    training, canary, promoted, note = ("\n".join(each.card.lines) for each in cycle_story.scenes())
    assert "▰▰▰▰▰▰▰▱▱▱▱▱ 59 %, step 19 of 32" in training
    assert "Loss 1.685, about 18 s to go" in training
    assert "The gate" not in training
    for later in (canary, promoted):
        assert "✅ passed · liked ranked above disliked: 50.0 % → 76.5 % (≥ 69.3 %)" in later
    assert "Votes on the new one: 18 👍 26 👎 of 10 people, 41 % liked" in canary
    assert "Votes on the new one: 34 👍 42 👎 of 11 people, 45 % liked" in promoted
    assert "answers from now on" in promoted
    assert note == "Learned from 266 votes of 12 people; liked share in the canary 45 % against 35 %."


def test_both_platforms_take_every_scene() -> None:
    scenes = cycle_story.scenes()
    assert len(scenes) == 4
    for scene in scenes:
        check_components(card_view(scene.card, Catalogs.load(), "en").to_components(), is_v2=True)
        assert message_problems(**card_message(scene.card)) == []


async def test_pictures_are_drawn_with_nothing_cut_off_and_stay_small(tmp_path: Path) -> None:
    discord, slack = await cycle_story.on_discord(), await cycle_story.on_slack()
    pictures = await draw_cycle(tmp_path, discord, slack)
    assert set(pictures) == {"cycle-discord", "cycle-slack"}
    assert all(file.stat().st_size < MAX_BYTES for file in pictures.values())
    async with running_chromium() as chromium:
        page = await chromium.new_page()
        for columns in (discord, slack):
            frames = [frame_html(each, each.pieces) for each in columns]
            await page.set_content(page_html(frames, column_width=TABLE))
            assert await page.evaluate(CUT_OFF) == []


@pytest.mark.parametrize("name", ["cycle-discord", "cycle-slack"])
def test_pictures_in_docs_are_small_enough_for_a_page(name: str) -> None:
    assert 30_000 < (PROJECT_ROOT / "docs" / f"{name}.png").stat().st_size < MAX_BYTES
