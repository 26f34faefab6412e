"""Favourites: saved and taken back, by whoever may see the candidate."""

import pytest

from core.errors import ForeignId, NotFound
from core.records import AuditAction
from tests.bot.audit_rows import audit_rows
from tests.bot.conftest import Site
from tests.bot.people import ANNA, BEN, ELSEWHERE, asked

NOBODYS = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def test_saving_again_takes_back_and_a_replay_changes_nothing(site: Site) -> None:
    first = (await asked(site, ANNA)).candidates[0].id
    collection = site.services.collection
    told = [await collection.toggle_saved(BEN, first, event_id=f"press-{number}") for number in (1, 1, 2, 2, 3)]
    assert told == [True, True, False, False, True]
    assert [favorite.candidate.id for favorite in await collection.favorites(BEN, before=None, limit=5)] == [first]
    assert await collection.favorites(ANNA, before=None, limit=5) == []


async def test_setting_is_the_same_however_often(site: Site) -> None:
    first = (await asked(site, ANNA)).candidates[0].id
    collection = site.services.collection
    for is_saved in (True, True, False, False):
        await collection.set_saved(ANNA, first, is_saved=is_saved)
        assert len(await collection.favorites(ANNA, before=None, limit=5)) == is_saved


async def test_favorites_are_newest_first_page_by_page_with_their_idea(site: Site) -> None:
    saved = [candidate.id for candidate in (await asked(site, ANNA, "a cat")).candidates]
    collection = site.services.collection
    for candidate_id in saved:
        await collection.set_saved(ANNA, candidate_id, is_saved=True)
    first = await collection.favorites(ANNA, before=None, limit=3)
    rest = await collection.favorites(ANNA, before=first[-1].candidate.id, limit=3)
    assert [favorite.candidate.id for favorite in (*first, *rest)] == saved[::-1]
    assert {favorite.idea for favorite in first} == {"a cat"}
    assert await collection.favorites(ELSEWHERE, before=None, limit=3) == []


async def test_favorites_can_be_varied_and_taken_out_wherever_they_are_read(site: Site) -> None:
    """In direct messages and other servers, /favorites used to show what none of its buttons could find."""
    first, second, *_ = (candidate.id for candidate in (await asked(site, ANNA)).candidates)
    await site.services.collection.set_saved(BEN, first, is_saved=True)
    varied = await site.service.vary(ELSEWHERE, first, event_id="press-1")
    assert varied.is_own
    assert not await site.services.collection.toggle_saved(ELSEWHERE, first, event_id="press-2")
    for gone_or_never_saved in (first, second):
        with pytest.raises(ForeignId):
            await site.service.vary(ELSEWHERE, gone_or_never_saved, event_id=f"vary {gone_or_never_saved}")


async def test_foreign_candidate_cannot_be_saved_and_that_is_recorded(site: Site) -> None:
    first = (await asked(site, ANNA, "a boy --private")).candidates[0].id
    with pytest.raises(ForeignId):
        await site.services.collection.toggle_saved(BEN, first, event_id="press-1")
    with pytest.raises(ForeignId):
        await site.services.collection.set_saved(BEN, first, is_saved=True)
    with pytest.raises(NotFound):
        await site.services.collection.set_saved(BEN, NOBODYS, is_saved=True)
    assert await audit_rows(site.database) == [(AuditAction.FOREIGN_ID, False)] * 2
