"""Seeing, taking along and deleting what is kept: the same things in all three."""

import json

from bot.privacy import NOTHING
from core.records import AuditAction, Feedback, FeedbackReason, Thumb
from tests.bot.audit_rows import audit_rows
from tests.bot.conftest import Site
from tests.bot.people import ANNA, BEN, CHANNEL, asked


async def use_everything(site: Site) -> None:
    await site.service.set_consent(ANNA, is_given=True)
    first = (await asked(site, ANNA, "a secret garden")).candidates[0].id
    await site.service.press(ANNA, first, Thumb.UP, event_id="press-1")
    await site.service.give_feedback(ANNA, first, Feedback(reason=FeedbackReason.DUPLICATE))
    await site.services.collection.set_saved(ANNA, first, is_saved=True)
    await site.service.share(ANNA, first, event_id="press-2", reply_to=CHANNEL)


async def test_overview_counts_what_is_kept_about_the_person_alone(site: Site) -> None:
    await use_everything(site)
    overview = await site.services.privacy.overview(ANNA)
    kept = (overview.num_requests, overview.num_candidates, overview.num_votes, overview.num_feedback)
    assert (*kept, overview.num_favorites, overview.has_consented) == (1, 4, 1, 1, 1, True)
    assert await site.services.privacy.overview(BEN) == NOTHING


async def test_export_is_json_with_all_that_was_typed(site: Site) -> None:
    await use_everything(site)
    exported = json.dumps(await site.services.privacy.export(ANNA))
    assert "a secret garden" in exported
    assert "duplicate" in exported
    assert await site.services.privacy.export(BEN) == {}


async def test_forgetting_tells_what_was_deleted_and_leaves_nothing(site: Site) -> None:
    await use_everything(site)
    before = await site.services.privacy.overview(ANNA)
    assert await site.services.privacy.forget(ANNA) == before
    assert await site.services.privacy.overview(ANNA) == NOTHING
    assert await site.services.privacy.export(ANNA) == {}
    assert await site.service.history(ANNA, before=None, limit=5) == []
    assert not await site.service.has_consented(ANNA)


async def test_forgetting_is_one_audit_row_however_often(site: Site) -> None:
    await use_everything(site)
    for _ in range(3):
        await site.services.privacy.forget(ANNA)
    assert await audit_rows(site.database) == [(AuditAction.FORGET, True)]
    assert await site.services.privacy.forget(BEN) == NOTHING
