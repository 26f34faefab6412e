"""Every length and count that Discord limits: refused one above it, with the reason, and accepted at it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.careless_discord_bot import (
    EPHEMERAL,
    QUIET,
    Api,
    button,
    careless_bot,
    expect_violations,
    row,
    text,
    v2,
)
from tests.fakes.discord.interactions import Interaction, InteractionKind
from tests.fakes.discord.people import Place


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with careless_bot() as started:
        yield started


@pytest.fixture
def alice(api: Api) -> Place:
    return api.fake.add_user("alice").at(api.fake.add_guild("Snow club").add_channel("prompts"))


# What each refusal says, and what is refused.
MESSAGES = {
    "content: must be 0 to 2000 in length, not 2001": {"content": "a" * 2_001, **QUIET},
    "Cannot send an empty message": {"content": " ", **QUIET},
    "nonce: must be 0 to 25 in length": {"content": "a", "nonce": "1" * 26, **QUIET},
    "EPHEMERAL: 64> cannot be set here": {"content": "a", "flags": EPHEMERAL, **QUIET},
    "LOADING: 128> cannot be set here": {"content": "a", "flags": 1 << 7, **QUIET},
    "description: must be 0 to 4096 in length": {"embeds": [{"description": "a" * 4_097}], **QUIET},
    "embeds: at most 6000 characters": {"embeds": [{"description": "a" * 4_000}] * 2, **QUIET},
    "IS_COMPONENTS_V2 allows no content": v2(text(), content="a"),
    "TEXT needs IS_COMPONENTS_V2": {"components": [text()], **QUIET},
    "components: must hold 0 to 5 items, not 6": {
        "components": [row(button(str(number))) for number in range(6)],
        **QUIET,
    },
    "IS_COMPONENTS_V2 needs components": v2(),
    "at most 4000 characters of text, not 4001": v2(text("a" * 2_000), text("a" * 2_001)),
    "content: must be 1 to 4000 in length, not 0": v2(text("")),
    "components: must hold 0 to 40 items, not 41": v2(*[text() for _ in range(41)]),
    "components: at most 40, not 41": v2({"type": 17, "components": [text() for _ in range(40)]}),
    "components[0].components: must hold 1 to 5 items, not 6": v2(row(*[button(str(number)) for number in range(6)])),
    "components[0].components: must hold 1 to 5 items, not 0": v2(row()),
    "custom_id: must be 1 to 100 in length, not 101": v2(row(button("a" * 101))),
    "custom_id: must be unique, but comes twice: a": v2(row(button("a")), row(button("a"))),
    "label: must be 0 to 80 in length, not 81": v2(row(button(label="a" * 81))),
    "a button needs a label or an emoji": v2(row(button(label=None))),
    "custom_id: must be a string, not None": v2(row({"type": 2, "style": 2, "label": "press"})),
    "style: must be 1 to 6, not 7": v2(row(button(style=7))),
    "a link button has no custom_id": v2(row(button(style=5, url="https://example.org"))),
    "BUTTON needs IS_COMPONENTS_V2 or a row": v2(button()),
    "a container cannot hold a CONTAINER": v2({"type": 17, "components": [{"type": 17, "components": [text()]}]}),
    "a section needs a button or a thumbnail": v2({"type": 9, "components": [text()]}),
    "a row holds one to five buttons or one select menu": v2(row({"type": 4, "custom_id": "a", "style": 1})),
    "options: must hold 1 to 25 items, not 26": v2(
        row({"type": 3, "custom_id": "a", "options": [{"label": "a", "value": str(n)} for n in range(26)]})
    ),
    "unknown component type 99": v2({"type": 99}),
    "no file called 'a.json' came along": v2({"type": 13, "file": {"url": "attachment://a.json"}}),
}


@pytest.mark.parametrize(("reason", "body"), MESSAGES.items(), ids=range(len(MESSAGES)))
async def test_message_that_breaks_a_limit_is_refused(api: Api, alice: Place, reason: str, body: Any) -> None:
    status, answer = await api.call("POST", f"/channels/{alice.channel.id}/messages", body)
    assert (status, answer["code"]) in {(400, 50035), (400, 50006)}
    assert reason in answer["message"]
    assert alice.channel.messages == []
    expect_violations(api, reason)


ACCEPTED = {
    "longest content": {"content": "a" * 2_000, "nonce": "1" * 25, **QUIET},
    "fullest layout": v2(
        {"type": 17, "accent_color": 0xFFFFFF, "components": [text("a" * 3_966), *[text("a") for _ in range(34)]]},
        row(*[button(str(number) + "a" * 99, label="a" * 80) for number in range(3)]),
    ),
    "section": v2({"type": 9, "components": [text()], "accessory": button()}, {"type": 14, "spacing": 2}),
    "plain rows": {"components": [row(*[button(f"{r} {b}") for b in range(5)]) for r in range(5)], **QUIET},
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
async def test_message_at_the_limits_is_accepted(api: Api, alice: Place, body: Any) -> None:
    status, answer = await api.call("POST", f"/channels/{alice.channel.id}/messages", body)
    assert status == 200, answer
    assert len(alice.channel.messages) == 1


MODALS = {
    "title: must be 1 to 45 in length, not 46": {"title": "a" * 46},
    "components: must hold 1 to 5 items, not 0": {"components": []},
    "components: must hold 1 to 5 items, not 6": {"components": [{"type": 10, "content": "a"}] * 6},
    "custom_id: must be 1 to 100 in length, not 101": {"custom_id": "a" * 101},
    "label: must be 1 to 45 in length, not 46": {
        "components": [{"type": 18, "label": "a" * 46, "component": button()}]
    },
    "component type 2 is no field of a form": {"components": [{"type": 18, "label": "a", "component": button()}]},
    "a form holds labels and texts, not component type 4": {"components": [{"type": 4, "custom_id": "a", "style": 1}]},
    "custom_id: must be unique, but comes twice: a": {
        "components": [{"type": 18, "label": "a", "component": {"type": 4, "custom_id": "a", "style": 1}}] * 2
    },
    "value: must be 0 to 1 in length, not 2": {
        "components": [
            {
                "type": 18,
                "label": "a",
                "component": {"type": 4, "custom_id": "a", "style": 1, "max_length": 1, "value": "ab"},
            }
        ]
    },
    "options: must hold 2 to 10 items, not 1": {
        "components": [
            {
                "type": 18,
                "label": "a",
                "component": {"type": 21, "custom_id": "a", "options": [{"label": "a", "value": "a"}]},
            }
        ]
    },
}


@pytest.mark.parametrize(("reason", "change"), MODALS.items(), ids=range(len(MODALS)))
async def test_form_that_breaks_a_limit_is_refused(api: Api, alice: Place, reason: str, change: Any) -> None:
    pressed = _pressed(api, alice)
    modal = {"title": "a", "custom_id": "a", "components": [{"type": 10, "content": "a"}], **change}
    status, answer = await api.acknowledge(pressed, {"type": 9, "data": modal})
    assert (status, answer["code"]) == (400, 50035)
    assert not pressed.is_acknowledged
    expect_violations(api, reason)


COMMANDS = {
    "must be small letters, digits, - and _, not 'Ask'": {"name": "Ask"},
    "name: must be 1 to 32 in length, not 33": {"name": "a" * 33},
    "not 'a b'": {"name": "a b"},
    "description: must be 1 to 100 in length, not 0": {"description": ""},
    "description: must be 1 to 100 in length, not 101": {"description": "a" * 101},
    "Discord has no locale 'xx'": {"name_localizations": {"xx": "a"}},
    "not 'Frag Mich'": {"name_localizations": {"de": "Frag Mich"}},
    "must be some of [0, 1, 2], not [3]": {"contexts": [3]},
    "must be some of [0, 1], not []": {"integration_types": []},
    "must be a number, not 'manage'": {"default_member_permissions": "manage"},
    "options: must hold 0 to 25 items, not 26": {
        "options": [{"type": 3, "name": f"a{number}", "description": "a"} for number in range(26)]
    },
    "name: must be unique, but comes twice: a": {"options": [{"type": 3, "name": "a", "description": "a"}] * 2},
    "required options must come before optional ones": {
        "options": [
            {"type": 3, "name": "a", "description": "a"},
            {"type": 3, "name": "b", "description": "a", "required": True},
        ]
    },
    "choices: must hold 0 to 25 items, not 26": {
        "options": [
            {"type": 3, "name": "a", "description": "a", "choices": [{"name": "a", "value": str(n)} for n in range(26)]}
        ]
    },
    "name: must be 1 to 100 in length, not 101": {
        "options": [{"type": 3, "name": "a", "description": "a", "choices": [{"name": "a" * 101, "value": "a"}]}]
    },
    "choices and autocomplete exclude each other": {
        "options": [
            {"type": 3, "name": "a", "description": "a", "autocomplete": True, "choices": [{"name": "a", "value": "a"}]}
        ]
    },
    "subcommands and plain options cannot be mixed": {
        "options": [{"type": 1, "name": "a", "description": "a"}, {"type": 3, "name": "b", "description": "a"}]
    },
    "at most 8000 characters, not 11505": {
        "options": [
            {
                "type": 3,
                "name": f"a{number}",
                "description": "a",
                "choices": [{"name": "a" * 100, "value": "a" * 90 + str(choice)} for choice in range(20)],
            }
            for number in range(3)
        ]
    },
}


@pytest.mark.parametrize(("reason", "change"), COMMANDS.items(), ids=range(len(COMMANDS)))
async def test_command_that_breaks_a_limit_is_refused(api: Api, reason: str, change: Any) -> None:
    status, answer = await api.sync({"name": "ask", "description": "Ask", **change})
    assert (status, answer["code"]) == (400, 50035)
    assert api.fake.commands.of(None) == []
    expect_violations(api, reason)


def _pressed(api: Api, alice: Place) -> Interaction:
    data = {"custom_id": "a", "component_type": 2}
    return api.fake.interactions.send(InteractionKind.COMPONENT, alice.user, alice.channel, data, owners={"0": "1"})
