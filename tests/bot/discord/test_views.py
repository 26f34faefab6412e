"""Whatever people and models write: nothing that is drawn calls anybody, leaves its code block or exceeds a limit."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simcord.components import validate_components

from bot.actions import Action
from bot.cards import Button, CandidateCard, Card
from bot.catalog import Catalogs
from bot.discord.forms import explain_form, remix_form
from bot.discord.markup import escaped, fenced, size
from bot.discord.panel_views import panel_blocks
from bot.discord.views import MAX_CHARACTERS, Block, Control, blocks_view, card_view
from bot.panels import Panel, PanelLine
from core.characters import readable
from core.records import Feedback
from tests.bot.discord.reading import walked

TARGET = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
CATALOGS = Catalogs.load()

NASTY = st.sampled_from(
    [
        "@everyone",
        "@here",
        "<@123456789012345678>",
        "<@&123456789012345678>",
        "<#1234>",
        "</retrain:123>",
        "<a:x:1>",
        "```",
        "``",
        "`",
        "\\",
        "\\`",
        "\n",
        "\r\n",
        "\u2028",
        "# ",
        "-# ",
        "> ",
        ">>> ",
        "- ",
        "1. ",
        "||",
        "**",
        "__",
        "~~",
        "[a](https://x.y)",
        "https://x.y/z.png",
        "discord.gg/abc",
        "\u202e",
        "\u2066",
        "\u200b",
        "\u200d",
        "\ufeff",
        "\x00",
        "\ud800",
        "😀",
        "👩\u200d👩\u200d👧",
        "é" + "\u0301" * 9,
        "--ar 16:9",
    ]
)
TEXT = st.lists(st.one_of(NASTY, st.text(max_size=40)), max_size=30).map("".join)
LONG = st.builds(lambda text, times: (text or "word ") * times, TEXT, st.integers(1, 60))
ANY_TEXT = st.one_of(TEXT, LONG)

PING = re.compile(r"@(?:everyone|here)|<(?:@[!&]?|#|/[^>]*:|a?:\w+:)\d")
UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*[*_~|`>#\[\]()<!]")


@st.composite
def cards(draw: st.DrawFn) -> Card:
    prompts = draw(st.lists(ANY_TEXT, max_size=4))
    candidates = [
        CandidateCard(
            rank=rank,
            prompt=prompt,
            buttons=tuple(
                Button(action=action, target_id=f"{TARGET[:-1]}{rank}", label=draw(TEXT) or "x")
                for action in (Action.UP, Action.DOWN, Action.VARY, Action.SAVE, Action.SHARE)
            ),
        )
        for rank, prompt in enumerate(prompts, start=1)
    ]
    footer_buttons = tuple(
        Button(action=action, target_id=TARGET, label=action.value)
        for action in (Action.REMIX, Action.REROLL, Action.DELETE)
    )
    return Card(
        title=draw(ANY_TEXT),
        note=draw(st.none() | ANY_TEXT),
        candidates=tuple(candidates),
        buttons=footer_buttons,
        footer=draw(st.none() | ANY_TEXT),
    )


def texts_in(components: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield from (item["content"] for item in walked(components) if item["type"] == 10)


def assert_within_limits(components: list[dict[str, Any]]) -> None:
    items = list(walked(components))
    assert len(items) <= 40
    assert sum(map(size, texts_in(components))) <= 4000
    custom_ids = [item["custom_id"] for item in items if item["type"] == 2]
    assert len(custom_ids) == len(set(custom_ids))
    assert all(len(custom_id) <= 100 for custom_id in custom_ids)
    assert all(1 <= size(item["label"]) <= 80 for item in items if item["type"] == 2)
    assert all(1 <= len(item["components"]) <= 5 for item in items if item["type"] == 1)
    validate_components(components, flags=1 << 15)


def assert_harmless(text: str) -> None:
    """Check a text as Discord reads it: code blocks first, then everything outside of them."""
    outside, blocks = "", 0
    for number, piece in enumerate(text.split("```")):
        if number % 2:
            blocks += 1
            assert piece.startswith("\n") and piece.endswith("\n")
            assert "`" not in piece
            assert piece == readable(piece)
        else:
            outside += piece
    assert text.count("```") == 2 * blocks
    assert PING.search(outside) is None
    assert "://" not in outside.replace("\\://", "")
    lines = [line.removeprefix("### ").removeprefix("-# ") for line in outside.split("\n")]
    assert all(UNESCAPED.search(line) is None for line in lines), outside


@settings(max_examples=60, deadline=None)
@given(card=cards(), language=st.sampled_from(CATALOGS.languages))
def test_no_card_calls_anybody_leaves_its_block_or_exceeds_a_limit(card: Card, language: str) -> None:
    components = card_view(card, CATALOGS, language).to_components()
    assert_within_limits(components)
    for text in texts_in(components):
        assert_harmless(text)


@settings(max_examples=60, deadline=None)
@given(card=cards())
def test_prompt_is_shown_whole_or_not_at_all(card: Card) -> None:
    shown = list(texts_in(card_view(card, CATALOGS, "en").to_components()))
    whole = {fenced(candidate.prompt) for candidate in card.candidates}
    blocks = [text for text in shown if text.startswith("```")]
    assert set(blocks) <= whole
    left_out = len(card.candidates) - len(blocks)
    assert sum("too long" in text for text in shown) >= left_out


@settings(max_examples=50, deadline=None)
@given(lines=st.lists(st.tuples(ANY_TEXT, st.none() | ANY_TEXT), max_size=5), title=TEXT, note=st.none() | ANY_TEXT)
def test_no_panel_calls_anybody_leaves_its_block_or_exceeds_a_limit(
    lines: list[tuple[str, str | None]], title: str, note: str | None
) -> None:
    panel = Panel(title=title, lines=tuple(PanelLine(text=t, prompt=p, target_id=TARGET) for t, p in lines), note=note)
    count = iter(range(100))

    def controls(line: PanelLine) -> tuple[Control, ...]:
        return tuple(Control(custom_id=f"mj1c:show:{next(count)}", label="Show") for _ in range(3))

    turns = Block(text="", controls=(Control(custom_id="a", label="a"), Control(custom_id="b", label="b")))
    components = blocks_view([*panel_blocks(panel, controls), turns]).to_components()
    assert_within_limits(components)
    for text in texts_in(components):
        assert_harmless(text)


@pytest.mark.parametrize("prompted", [(0,), (0, 1), (0, 2), (0, 4)])
def test_page_of_long_ideas_and_prompts_keeps_the_limit(prompted: tuple[int, ...]) -> None:
    """A long prompt used to leave the ideas below it less room than they took."""
    lines = tuple(
        PanelLine(text="idea " * 60, prompt="p" * 3500 if place in prompted else None, target_id=TARGET)
        for place in range(5)
    )
    blocks = panel_blocks(Panel(title="Your requests", lines=lines))
    assert sum(size(block.text) for block in blocks) <= MAX_CHARACTERS


@settings(max_examples=50, deadline=None)
@given(text=ANY_TEXT, limit=st.integers(2, 200))
def test_escaped_text_keeps_its_limit_and_ends_whole(text: str, limit: int) -> None:
    cut = escaped(text, limit)
    assert size(cut) <= limit
    assert_harmless(cut)


@settings(max_examples=25, deadline=None)
@given(idea=st.text(max_size=300), language=st.sampled_from(CATALOGS.languages))
def test_forms_keep_the_limits_in_every_language(idea: str, language: str) -> None:
    for form in (
        remix_form(TARGET, idea, CATALOGS, language),
        explain_form(TARGET, Feedback(correction=idea), CATALOGS, language),
    ):
        data = form.to_dict()
        assert 1 <= len(data["title"]) <= 45
        assert len(data["custom_id"]) <= 100
        for label in data["components"]:
            assert 1 <= len(label["label"]) <= 45
            assert len(label.get("description", "")) <= 100
            for option in label["component"].get("options", []):
                assert len(option["label"]) <= 100


def test_four_usual_prompts_and_the_longest_idea_fit_whole() -> None:
    card = Card(
        title="*" * 300,
        candidates=tuple(
            CandidateCard(rank=rank, prompt="a prompt of many words, " * 25, buttons=()) for rank in range(1, 5)
        ),
        footer="Written by the model in 3 s",
    )
    shown = "\n".join(texts_in(card_view(card, CATALOGS, "en").to_components()))
    assert shown.count("```") == 8


@pytest.mark.parametrize("text", ["", "\u200b", "`", "\n\n"])
def test_code_block_of_nothing_is_still_a_code_block(text: str) -> None:
    assert re.fullmatch(r"```\n[^`]+\n```", fenced(text))
