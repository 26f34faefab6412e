"""Every error of the product has its reply on the web."""

import inspect
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from bot.service import ChatService
from bot.web.application import create_app, start_site
from bot.web.error_replies import REPLY_OF
from core import errors
from tests.bot.conftest import MakeSettings, Site


def leaf_errors() -> list[type[errors.MjpromptError]]:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.MjpromptError)]
    return [kind for kind in kinds if not kind.__subclasses__()]


RAISED_BRANCHES = {errors.NotFound}  # raised itself, besides being a branch


STATUSES: dict[type[Exception], int] = {
    errors.InvalidIdea: 400,
    errors.InvalidParameter: 400,
    errors.InvalidBody: 400,
    errors.NotFound: 404,
    errors.ForeignId: 404,
    errors.NotAllowed: 403,
    errors.NotPossible: 409,
    errors.TooManyRequests: 429,
    errors.StorageBusy: 503,
}


class FailingService(ChatService):
    """Raises what it was made with at every status call."""

    def __init__(self, site: Site, error: Exception) -> None:
        super().__init__(site.database, site.queue, site.settings)
        self._error = error

    async def status(self) -> None:  # type: ignore[override]
        raise self._error


def test_every_leaf_of_the_error_tree_is_mapped_and_nothing_else() -> None:
    assert set(REPLY_OF) == {*leaf_errors(), *RAISED_BRANCHES}
    assert len(REPLY_OF) >= 14


@pytest.mark.parametrize("kind", [*leaf_errors(), *RAISED_BRANCHES, errors.PermanentError, ValueError, KeyError])
async def test_each_error_becomes_its_status_with_a_sentence_fit_for_people(
    site: Site, make_settings: MakeSettings, kind: type[Exception], capfd: pytest.CaptureFixture[str]
) -> None:
    services = replace(site.services, chat=FailingService(site, kind("secret detail of the inside")))
    runner, port = await start_site(create_app(services, type(site.watcher)(site.database)), make_settings())
    try:
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"http://127.0.0.1:{port}/api/status") as reply,
        ):
            error = (await reply.json())["error"]
            assert reply.status == STATUSES.get(kind, 500)
            assert ("secret detail" in error["message"]) == issubclass(kind, errors.UserError)
            assert ("Retry-After" in reply.headers) == (reply.status in (429, 503))
            if reply.status == web.HTTPInternalServerError.status_code:
                number = error["message"].rstrip(".").rsplit(" ", 1)[1]
                assert number in "".join(capfd.readouterr())
    finally:
        await runner.cleanup()
