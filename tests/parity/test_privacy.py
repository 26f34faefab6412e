"""What is kept about a person: seen, taken along, allowed to be learned from, deleted; the same on every platform."""

import json

from core.records import FeedbackReason, Thumb
from tests.parity.protocol import Kept
from tests.parity.stage import Stage

IDEA = "a boy running in the snow"


async def test_nothing_is_kept_of_somebody_new_and_consent_is_off(stage: Stage) -> None:
    kept = await stage.newcomer().privacy()

    assert kept == _kept()


async def test_panel_counts_what_the_person_did(stage: Stage) -> None:
    person = stage.newcomer()
    prompts = (await person.asks(IDEA)).prompts
    await person.presses(prompts[0].id, Thumb.UP)
    await person.presses(prompts[1].id, Thumb.DOWN)
    await person.explains(prompts[1].id, reason=FeedbackReason.OFF_TOPIC)
    await person.saves(prompts[0].id)

    kept = await person.privacy()

    assert kept == _kept(num_requests=1, num_candidates=4, num_votes=2, num_feedback=1, num_favorites=1)


async def test_consent_is_given_and_withdrawn(stage: Stage) -> None:
    person = stage.newcomer()
    await person.asks(IDEA)

    await person.consents(is_given=True)
    assert (await person.privacy()).has_consented

    await person.consents(is_given=False)
    assert not (await person.privacy()).has_consented


async def test_export_holds_everything_of_the_person_and_nothing_of_others(stage: Stage) -> None:
    person, other = stage.newcomer(), stage.newcomer()
    mine = await person.asks(IDEA)
    theirs = await other.asks("a volcano at night")
    await person.presses(mine.prompts[0].id, Thumb.DOWN)
    await person.explains(mine.prompts[0].id, correction="a boy in deep snow, ink drawing")
    await other.presses(mine.prompts[1].id, Thumb.UP)

    exported = json.dumps(await person.exports(), ensure_ascii=False)

    for text in (IDEA, "a boy in deep snow, ink drawing", *(prompt.text for prompt in mine.prompts)):
        assert text in exported
    assert "volcano" not in exported
    assert theirs.request_id not in exported
    assert other.external_id not in exported


async def test_forgotten_person_leaves_nothing_behind_and_others_keep_theirs(stage: Stage) -> None:
    person, other = stage.newcomer(), stage.newcomer()
    mine, theirs = await person.asks(IDEA), await other.asks("a volcano at night")
    await person.presses(theirs.prompts[0].id, Thumb.UP)
    await other.presses(theirs.prompts[0].id, Thumb.UP)
    await person.saves(theirs.prompts[0].id)

    await person.forgets_everything()

    assert await person.privacy() == _kept()
    assert IDEA not in await person.history()
    assert stage.truth.state_of(mine.request_id) is None
    assert stage.truth.votes_on(theirs.prompts[0].id) == (1, 0)
    for table in ("users", "audit_events"):
        rows = stage.truth.rows(f"SELECT * FROM {table}")
        assert person.external_id not in json.dumps(rows, default=str)


def _kept(**counts: int) -> Kept:
    nothing = dict.fromkeys(("num_requests", "num_candidates", "num_votes", "num_feedback", "num_favorites"), 0)
    return Kept(**(nothing | counts), has_consented=False)
