"""A few of the scenarios with Slack's signed requests in place of its socket, and what an unsigned request gets."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import pytest

from tests.fakes.slack.signed_requests import Signature
from tests.parity import test_administration, test_asking, test_collection, test_privacy, test_voting
from tests.parity.slack import SlackPerson, SlackStage
from tests.parity.stage import Stage

SCENARIOS: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    test_asking.test_an_idea_becomes_four_different_prompts_that_keep_its_subject,
    test_asking.test_waiting_request_shows_its_place_and_becomes_the_answer_in_the_same_message,
    test_asking.test_remix_into_an_idea_that_cannot_be_taken_is_refused,
    test_asking.test_replayed_ask_is_answered_once,
    test_voting.test_same_thumb_again_takes_the_vote_back_and_the_other_one_changes_it,
    test_voting.test_replayed_press_changes_nothing,
    test_voting.test_reason_and_better_prompt_after_a_thumb_down_are_kept,
    test_collection.test_shared_prompt_is_shown_to_everybody_once,
    test_privacy.test_export_holds_everything_of_the_person_and_nothing_of_others,
    test_administration.test_settings_of_an_admin_hold_for_what_is_asked_next,
    test_administration.test_operator_starts_a_training_once_follows_it_and_cancels_it,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.removeprefix("test_"))
async def test_scenario_is_the_same_over_signed_requests(
    http_stage: SlackStage, scenario: Callable[[Stage], Awaitable[None]]
) -> None:
    await scenario(http_stage)


@pytest.mark.parametrize("signature", [Signature.WRONG, Signature.STALE, Signature.MISSING])
async def test_request_without_a_good_signature_is_refused_and_asks_for_nothing(
    http_stage: SlackStage, signature: Signature
) -> None:
    person = http_stage.newcomer()
    assert isinstance(person, SlackPerson)
    http_stage.slack.requests.signature = signature
    try:
        await person.types("mjprompt", idea="a boy running in the snow")
    finally:
        http_stage.slack.requests.signature = Signature.VALID

    assert http_stage.slack.deliveries[-1].status == HTTPStatus.UNAUTHORIZED
    assert http_stage.truth.requests_of(person.external_id) == []
