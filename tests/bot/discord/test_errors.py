"""Every error has its reply, and every answer of Discord its meaning."""

from collections.abc import Iterator
from types import SimpleNamespace

import aiohttp
import discord
import pytest

from bot.catalog import Catalogs
from bot.discord.errors import EXPECTED_CODES, GONE_CODES, reply_to, translated
from core import errors


def http_error(status: int, code: int, headers: dict[str, str] | None = None) -> discord.HTTPException:
    response = SimpleNamespace(status=status, reason="", headers=headers or {})
    return discord.HTTPException(response, {"code": code, "message": "no"})  # type: ignore[arg-type]


def kinds(kind: type[errors.MjpromptError] = errors.MjpromptError) -> Iterator[type[errors.MjpromptError]]:
    for below in kind.__subclasses__():
        yield below
        yield from kinds(below)


def test_every_error_of_the_product_has_a_reply_whose_text_exists() -> None:
    catalogs, seen = Catalogs.load(), 0
    for kind in kinds():
        reply = reply_to(kind("something"))
        assert reply is not None
        assert reply.key is None or catalogs.text("en", reply.key, id="1234")
        assert (reply.key is None) == issubclass(kind, errors.UserError)
        seen += 1
    assert seen >= 20


def test_unforeseen_error_is_a_fault_with_a_number() -> None:
    reply = reply_to(RuntimeError("what"))
    assert reply is not None
    assert reply.is_fault


@pytest.mark.parametrize("code", sorted(EXPECTED_CODES))
def test_what_belongs_to_daily_life_needs_no_reply(code: int) -> None:
    assert reply_to(http_error(404, code)) is None


@pytest.mark.parametrize("code", sorted(GONE_CODES))
def test_gone_addresses_are_told_from_trouble(code: int) -> None:
    with pytest.raises(errors.AddressGone), translated():
        raise http_error(404, code)


@pytest.mark.parametrize(
    ("trouble", "seconds"),
    [
        (http_error(429, 0, {"Retry-After": "7.5"}), 7.5),
        (http_error(429, 0, {"Retry-After": "soon"}), 2.0),
        (http_error(503, 0), 2.0),
        (http_error(401, 0), 2.0),  # the bot's token was renewed: answers wait for the new one
        (discord.RateLimited(33.0), 33.0),
        (aiohttp.ClientConnectionError(), 2.0),
        (TimeoutError(), 2.0),
        (ConnectionResetError(), 2.0),
    ],
)
def test_trouble_is_tried_again_when_discord_says(trouble: Exception, seconds: float) -> None:
    with pytest.raises(errors.PlatformBusy) as caught, translated():
        raise trouble
    assert caught.value.retry_after_seconds == seconds


def test_message_that_discord_refuses_is_given_up_there() -> None:
    with pytest.raises(errors.AddressGone, match="50035"), translated():
        raise http_error(400, 50035)
