"""Each limit of messages and views that the fake Slack knows is found when it is broken, and not before."""

from typing import Any

import pytest

from tests.fakes.slack.limits import message_problems, view_problems

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def section(text: str = "x") -> Json:
    return {"type": "section", "text": mrkdwn(text)}


def button(**more: Any) -> Json:
    return {"type": "button", "text": plain("b")} | more


def actions(*elements: Json, **more: Any) -> Json:
    return {"type": "actions", "elements": list(elements), **more}


def options(count: int, text: str = "o") -> list[Json]:
    return [{"text": plain(text), "value": str(number)} for number in range(count)]


def select(count: int, text: str = "o") -> Json:
    return {"type": "static_select", "options": options(count, text)}


def rich(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": list(elements)}]}


def feedback(text: str, value: str) -> Json:
    good = {"text": plain(text), "value": value}
    element = {"type": "feedback_buttons", "positive_button": good, "negative_button": good}
    return {"type": "context_actions", "elements": [element]}


def text_input(**more: Any) -> Json:
    return {"type": "input", "label": plain("l"), "element": {"type": "plain_text_input"} | more}


def modal(*blocks: Json, **more: Any) -> Json:
    return {"type": "modal", "title": plain("t"), "submit": plain("s"), "blocks": list(blocks)} | more


MESSAGES: list[tuple[list[Json], list[Json], str]] = [
    ([section()] * 50, [section()] * 51, "51 blocks"),
    ([section("x" * 3000)], [section("x" * 3001)], "section's text has 3001"),
    ([{"type": "header", "text": plain("x" * 150)}], [{"type": "header", "text": plain("x" * 151)}], "header has 151"),
    ([actions(*[button()] * 25)], [actions(*[button()] * 26)], "26 elements"),
    (
        [{"type": "context", "elements": [mrkdwn("x")] * 10}],
        [{"type": "context", "elements": [mrkdwn("x")] * 11}],
        "11 elements",
    ),
    ([actions(button(text=plain("x" * 75)))], [actions(button(text=plain("x" * 76)))], "button's text has 76"),
    ([actions(button(value="x" * 2000))], [actions(button(value="x" * 2001))], "button's value has 2001"),
    ([actions(button(action_id="x" * 255))], [actions(button(action_id="x" * 256))], "action_id has 256"),
    ([actions(button(), block_id="x" * 255)], [actions(button(), block_id="x" * 256)], "block_id has 256"),
    (
        [actions(button(action_id="a"), button(action_id="b"))],
        [actions(button(action_id="a"), button(action_id="a"))],
        "action_id within one actions block 'a' is used 2 times",
    ),
    (
        [actions(button(), block_id="a"), actions(button(), block_id="b")],
        [actions(button(), block_id="a"), actions(button(), block_id="a")],
        "block_id 'a' is used 2 times",
    ),
    ([actions(select(100))], [actions(select(101))], "101 options"),
    ([actions(select(1, "x" * 75))], [actions(select(1, "x" * 76))], "option's text has 76"),
    ([actions(button(style="danger"))], [actions(button(style="green"))], "'green'"),
    ([feedback("x" * 75, "v")], [feedback("x" * 76, "v")], "positive_button's text has 76"),
    ([feedback("x", "v" * 2000)], [feedback("x", "v" * 2001)], "positive_button's value has 2001"),
    ([section()], [{"type": "section", "text": plain("")}], "is empty"),
    ([section()], [{"type": "carousel"}], "'carousel' is not allowed"),
    ([actions(button())], [actions({"type": "plain_text_input"})], "'plain_text_input' is not allowed"),
    ([rich({"type": "text", "text": "<!channel> <"})], [rich({"type": "broadcast", "range": "here"})], "pings"),
    ([rich({"type": "text", "text": "x"})], [rich({"type": "text", "text": ""})], "empty text"),
    ([section("&lt;!channel&gt;")], [section("<!channel>")], "unescaped mention <!channel>"),
    ([section("<https://example.org|a link>")], [section("a < b")], "unescaped <"),
    ([{"type": "section", "text": plain("<!here> a < b")}], [section("<@U123>")], "<@U123>"),
    (
        [{"type": "context", "elements": [mrkdwn("fine")]}],
        [{"type": "context", "elements": [mrkdwn("<!subteam^S1>")]}],
        "<!subteam^S1>",
    ),
    ([{"type": "markdown", "text": "a > b"}], [{"type": "markdown", "text": "<!everyone>"}], "<!everyone>"),
]

VIEWS: list[tuple[Json, Json, str]] = [
    (modal(*[section()] * 100), modal(*[section()] * 101), "101 blocks"),
    (modal(title=plain("x" * 24)), modal(title=plain("x" * 25)), "title has 25"),
    (modal(submit=plain("x" * 24)), modal(submit=plain("x" * 25)), "submit has 25"),
    (modal(close=plain("x" * 24)), modal(close=plain("x" * 25)), "close has 25"),
    (modal(private_metadata="x" * 3000), modal(private_metadata="x" * 3001), "private_metadata has 3001"),
    (modal(callback_id="x" * 255), modal(callback_id="x" * 256), "callback_id has 256"),
    (modal(text_input(initial_value="x" * 3000)), modal(text_input(initial_value="x" * 3001)), "has 3001 characters"),
    (modal(text_input(max_length=3000)), modal(text_input(max_length=3001)), "3001 is outside"),
    (modal(text_input() | {"label": plain("x" * 2000)}), modal(text_input() | {"label": plain("x" * 2001)}), "2001"),
    (modal(text_input()), modal(text_input(), submit=None), "no submit"),
    (modal(section()), modal(feedback("x", "v")), "'context_actions' is not allowed in a modal"),
    ({"type": "home", "blocks": [section()]}, {"type": "page", "blocks": []}, "modal or home"),
    ({"type": "home", "blocks": [section()] * 100}, {"type": "home", "blocks": [section()] * 101}, "101 blocks"),
]


@pytest.mark.parametrize(("allowed", "broken", "fragment"), MESSAGES)
def test_block_limit_is_found_in_a_message(allowed: list[Json], broken: list[Json], fragment: str) -> None:
    assert message_problems("fallback", allowed) == []
    assert any(fragment in problem for problem in message_problems("fallback", broken)), message_problems("", broken)


@pytest.mark.parametrize(("allowed", "broken", "fragment"), VIEWS)
def test_limit_is_found_in_a_view(allowed: Json, broken: Json, fragment: str) -> None:
    assert view_problems(allowed) == []
    assert any(fragment in problem for problem in view_problems(broken)), view_problems(broken)


@pytest.mark.parametrize(
    ("allowed", "broken"),
    [
        ("x" * 40_000, "x" * 40_001),
        ("&lt;!channel&gt; @channel", "<!channel>"),
        ("*bold* <mailto:a@example.org|a>", "hi <@U012ABC>"),
        ("1 &gt; 0", "1 > 0"),
        ("<!date^1700000000^{date}|then>", "<!subteam^S012|team>"),
    ],
)
def test_text_that_is_too_long_or_unescaped_is_found(allowed: str, broken: str) -> None:
    assert message_problems(allowed, None) == []
    assert len(message_problems(broken, None)) == 1


@pytest.mark.parametrize("noise", [{"a": 1}, ["x"], [None], [{}], "[]", 5])
def test_blocks_that_are_no_blocks_are_found(noise: object) -> None:
    assert message_problems("fallback", noise)


def test_number_of_limits_looked_at() -> None:
    assert (len(MESSAGES), len(VIEWS)) == (26, 13)
