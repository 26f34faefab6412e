"""The fake worker stands for a real one only while it keeps these promises."""

from core.records import Identity, Platform, RequestState
from tests.bot.conftest import Site
from tests.bot.fake_worker import MODEL, drafts_for

SOMEBODY = Identity(platform=Platform.WEB, external_id="somebody")


def test_drafts_are_different_and_keep_the_subject() -> None:
    drafts = drafts_for("a boy", 4)
    assert len({draft.text for draft in drafts}) == len(drafts) == 4
    assert all(draft.text.startswith("a boy, ") for draft in drafts)
    assert [draft.rank for draft in drafts] == [1, 2, 3, 4]


async def test_paused_worker_claims_nothing_and_a_resumed_one_answers(site: Site) -> None:
    site.worker.pause()
    request = await site.service.ask(SOMEBODY, "a boy")
    await site.watcher.wait_for_change(request.id, seen="queued:1", timeout_seconds=0.3)
    assert (await site.service.view(SOMEBODY, request.id)).state is RequestState.QUEUED
    site.worker.resume()
    await site.watcher.wait_for_change(request.id, seen="queued:1", timeout_seconds=10)
    await site.watcher.wait_for_change(request.id, seen="running", timeout_seconds=10)
    done = await site.service.view(SOMEBODY, request.id)
    assert (done.state, done.model, len(done.candidates)) == (RequestState.DONE, MODEL, 4)
    assert site.worker.answered == [request.id]
