"""Whatever people and models write, nothing that is rendered for Slack pings, links, formats or exceeds a limit."""

import re
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.actions import Action
from bot.cards import Button, ButtonLook, CandidateCard, Card
from bot.slack.blocks import card_message, escaped, message, plain_section, sentence
from bot.slack.forms.frames import choice_field, form, notice, text_field
from bot.slack.forms.idea import plain_message
from bot.slack.forms.origin import Origin
from bot.slack.gateway import card_edit
from tests.fakes.slack.limits import message_problems, view_problems

TARGET = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
NASTY = [
    "<!channel>",
    "<!here|here>",
    "<@U0000001>",
    "<!subteam^S0000001|@team>",
    "<#C0000001>",
    "<https://evil.example|click>",
    "<!date^1^{date}|x>",
    "&lt;!channel&gt;",
    "&amp;",
    "@everyone",
    "```",
    "`",
    "*b* _i_ ~s~",
    "> quote",
    "\u202e",
    "\u200b",
    "\x00",
    "\ud800",
    "\n",
    " ",
    ":boom:",
    "mailto:a@b.c",
    "🏴\U000e0067\U000e007f",
]
TEXTS = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=30)), max_size=12).map("".join)


class Long(str):
    """A text over every limit, which does not fill pages when an example is printed."""

    def __repr__(self) -> str:
        return f"Long({self[:20]!r}…)"


LONG = TEXTS.filter(bool).map(lambda text: Long((text * 5000)[:5000]))
ANY_TEXT = st.one_of(TEXTS, LONG)
BUTTONS = st.lists(
    st.builds(
        Button,
        action=st.sampled_from(Action),
        target_id=st.just(TARGET),
        label=ANY_TEXT,
        look=st.sampled_from(ButtonLook),
    ),
    max_size=6,
    unique_by=lambda button: button.action,
).map(tuple)
CANDIDATES = st.builds(CandidateCard, rank=st.integers(1, 9), prompt=ANY_TEXT, buttons=BUTTONS)
CARDS = st.builds(
    Card,
    title=ANY_TEXT,
    note=st.none() | ANY_TEXT,
    candidates=st.lists(CANDIDATES, max_size=6).map(tuple),
    buttons=BUTTONS,
    footer=st.none() | ANY_TEXT,
)
PARSED = re.compile(r"<[!@#]|<https?:|<mailto:")


def leaves(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within a message."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)


def require_harmless(shown: dict[str, Any]) -> None:
    assert message_problems(shown["text"], shown["blocks"]) == []
    assert not PARSED.search(shown["text"])
    kinds = {each.get("type") for each in leaves(shown["blocks"])} - {None}
    assert kinds <= {
        "actions",
        "button",
        "context",
        "divider",
        "plain_text",
        "rich_text",
        "rich_text_preformatted",
        "rich_text_section",
        "section",
        "text",
    }
    shown["text"].encode("utf-8")


@hypothesis.settings(deadline=None, max_examples=60)
@given(CARDS)
def test_card_of_any_text_pings_nobody_and_keeps_every_limit(card: Card) -> None:
    shown = card_message(card)
    require_harmless(shown)
    edit = card_edit(card)
    assert (edit["parse"], edit["link_names"]) == ("none", False)
    prompts = [each for each in leaves(shown["blocks"]) if each.get("type") == "rich_text_preformatted"]
    assert len(prompts) == len(card.candidates)
    assert all([inner["type"] for inner in prompt["elements"]] == ["text"] for prompt in prompts)


def test_buttons_for_all_prompts_are_parted_from_those_of_the_last_one() -> None:
    row = (Button(action=Action.REROLL, target_id="1", label="Re-roll"),)
    shared = CandidateCard(rank=1, prompt="a boy", buttons=())
    blocks = card_message(Card(title="a boy", candidates=(shared,), buttons=row))["blocks"]
    assert [block["type"] for block in blocks] == ["rich_text", "rich_text", "divider", "actions"]
    assert card_message(Card(title="a boy", candidates=(shared,)))["blocks"][-1]["type"] == "rich_text"


@hypothesis.settings(deadline=None, max_examples=60)
@given(st.integers(min_value=0, max_value=120), BUTTONS)
def test_card_with_too_many_prompts_stays_within_fifty_blocks(number: int, buttons: tuple[Button, ...]) -> None:
    candidate = CandidateCard(rank=1, prompt="a boy", buttons=buttons)
    shown = card_message(Card(title="a boy", note="note", candidates=(candidate,) * number, footer="by"))
    assert len(shown["blocks"]) <= 50
    assert shown["blocks"][-1]["type"] == "context"


@hypothesis.settings(deadline=None, max_examples=60)
@given(ANY_TEXT)
def test_sentence_of_any_text_is_plain(text: str) -> None:
    require_harmless(sentence(text))
    require_harmless(message([text], [plain_section(text)]))


@hypothesis.settings(deadline=None, max_examples=60)
@given(ANY_TEXT)
def test_escaped_text_has_no_markup_and_no_halved_escape(text: str) -> None:
    shown = escaped(text)
    assert "<" not in shown
    assert ">" not in shown
    assert not re.search(r"&(?!amp;|lt;|gt;)", shown)


@hypothesis.settings(deadline=None, max_examples=60)
@given(ANY_TEXT, ANY_TEXT)
def test_form_of_any_text_keeps_every_limit(label: str, value: str) -> None:
    blocks = [
        text_field("a", label, value=value, max_characters=300, is_long=True),
        choice_field("b", label, {"x": value, "y": label}, chosen=value, is_optional=True),
    ]
    origin = Origin(channel_id="C1", message_ts="1.2", target=TARGET)
    shown = form("mj1:x", title=label, submit=value, close=label, origin=origin, blocks=blocks)
    assert view_problems(shown) == []
    assert len(blocks[0]["element"].get("initial_value", "")) <= 300
    assert view_problems(notice(label, value)) == []


@hypothesis.settings(deadline=None, max_examples=60)
@given(ANY_TEXT)
def test_message_that_is_made_a_prompt_of_loses_links_and_mentions(text: str) -> None:
    plain = plain_message(text)
    assert len(plain) <= 300
    assert not re.search(r"<[!@#][^<>\s]*>|https?://", plain)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("hi <@U1> see <https://x.example|the page> &amp; go", "hi see the page & go"),
        ("<!channel> a boy", "a boy"),
        ("", ""),
        ("look https://x.example/a?b=c now", "look now"),
    ],
)
def test_slacks_markup_in_a_message_becomes_words(text: str, plain: str) -> None:
    assert plain_message(text) == plain
