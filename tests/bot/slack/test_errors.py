"""What goes wrong in a handler: one calm private sentence, one log line without words or credentials, always an ack."""

import logging

import pytest
from slack_sdk.errors import SlackApiError, SlackTokenRotationError

from bot.actions import Action
from bot.slack import panel_presses
from bot.slack.api_errors import translated_errors
from bot.slack.listeners import FORMS
from bot.slack.presses import PRESSES
from bot.slack.sdk_logs import sdk_logger
from bot.slack.verbs import Verb, read_verb
from core.errors import AddressGone, MjpromptError, NotFound, PlatformBusy, StorageBusy, StorageError
from tests.bot.slack.conftest import IDEA, World

CANARY = "xoxb-canary-bot-token"


class BrokenHistory:
    """A service whose history fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def history(self, *_: object, **__: object) -> None:
        raise self.error


def break_history(world: World, error: Exception) -> None:
    world.services.chat.history = BrokenHistory(error).history


@pytest.mark.parametrize("error", [StorageError("the file /secret/place is damaged"), RuntimeError("bug with words")])
async def test_fault_shows_a_number_and_no_details(
    world: World, error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    break_history(world, error)
    sent = await world.alice.slash("/history")
    assert sent.is_acknowledged
    shown = await world.private(world.alice, "went wrong on our side")
    assert str(error) not in shown.text
    assert CANARY not in "".join(capfd.readouterr())


async def test_busy_database_asks_to_try_again(world: World) -> None:
    break_history(world, StorageBusy("locked"))
    await world.alice.slash("/history")
    await world.private(world.alice, "busy right now")


async def test_fault_is_told_in_the_channel_when_the_response_url_is_gone(world: World) -> None:
    break_history(world, RuntimeError("bug"))
    world.slack.faults.add("response_url", error="used_url", status=404)
    await world.alice.slash("/history")
    await world.private(world.alice, "went wrong on our side")


async def test_private_answer_takes_the_next_way_when_one_is_closed(world: World) -> None:
    world.slack.faults.add("response_url", status=500, times=2)
    world.slack.faults.add("chat.postEphemeral", error="user_not_in_channel")
    await world.alice.slash("/history")
    await world.direct(world.alice, "You have not asked")


async def test_answer_that_finds_no_way_is_logged_and_given_up(world: World) -> None:
    world.slack.faults.add("response_url", status=404, times=2)
    world.slack.faults.add("chat.postEphemeral", error="user_not_in_channel", times=2)
    world.slack.faults.add("chat.postMessage", error="channel_not_found", times=2)
    assert (await world.alice.slash("/history")).is_acknowledged
    await world.asked(world.bob)


@pytest.mark.parametrize(("name", "expected"), [("ratelimited", PlatformBusy), ("invalid_refresh_token", AddressGone)])
def test_token_that_cannot_be_renewed_is_waited_for_only_where_slack_asks_to_wait(
    name: str, expected: type[MjpromptError]
) -> None:
    refused = SlackApiError("refused", {"ok": False, "error": name})
    with pytest.raises(expected, match=name), translated_errors("oauth.v2.access"):
        raise SlackTokenRotationError(refused)


def test_every_button_has_something_to_do() -> None:
    assert set(PRESSES) == set(Action)
    assert set(panel_presses.PRESSES) == set(Verb)
    assert len(FORMS) == 9


@pytest.mark.parametrize(
    "action",
    [
        {},
        {"action_id": "mj1:show", "value": "x" * 2000},
        {"action_id": "mj1:show", "value": 7},
        {"action_id": "mj1:destroy"},
        {"action_id": None},
    ],
)
def test_forged_panel_button_is_refused(action: dict[str, object]) -> None:
    with pytest.raises(NotFound):
        read_verb(action)


async def test_panel_button_without_its_value_is_refused_privately(world: World) -> None:
    answer = await world.asked(world.alice)
    for action_id in ("mj1:show", "mj1:unsave"):
        await world.bob.click_forged(answer, action_id, None)
    await world.slack.wait_for(lambda: len([each for each in world.bob.sees() if "does nothing" in each.text]) == 2)


async def test_panel_button_about_somebody_elses_private_request_is_refused(world: World) -> None:
    await world.alice.slash("/mjprompt", f"{IDEA} --private")
    await world.direct(world.alice, "children's book illustration")
    (request_id,) = await world.requests(world.alice)
    answer = await world.asked(world.bob, "something public")
    await world.bob.click_forged(answer, "mj1:show", request_id)
    refusal = await world.private(world.bob, "There is no")
    assert IDEA not in refusal.text


@pytest.mark.parametrize("metadata", ["{", "[]", '{"target": 7}', "null", '"text"'])
async def test_form_with_forged_metadata_is_refused(world: World, metadata: str) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "Remix")
    form = await world.form(world.bob.person, "Edit the idea")
    form.content["private_metadata"] = metadata
    await world.bob.submit(form, {"idea": "a girl"})
    assert "another version" in form.errors["idea"]
    assert await world.requests(world.bob) == []


def test_sdk_logs_lose_credentials_addresses_and_payloads(caplog: pytest.LogCaptureFixture) -> None:
    logger = sdk_logger()
    with caplog.at_level(logging.DEBUG):
        logger.debug("Sending a request with %s", CANARY)
        logger.info("body: %s", {"text": "private words"})
        logger.warning("Failed with code: %s and {'text': 'private words'}", "oauth-code-1")
        logger.error("Cannot reach wss://x.example/link?ticket=t0ps3cret with %s", CANARY)
    for secret in (CANARY, "private words", "oauth-code-1", "t0ps3cret"):
        assert secret not in caplog.text
    assert len(caplog.records) == 2
