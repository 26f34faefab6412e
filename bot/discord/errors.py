"""The one place that turns exceptions into Discord replies, and Discord's errors into the product's own.

People see one calm sentence that only they see. Faults get a number that the log's traceback carries too. Codes that
belong to a chat bot's daily life (an expired token, a deleted message, a lost right) are expected, not faults.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
import discord
from discord import app_commands

from core import errors
from core.logs import get_logger

_LOG = get_logger(__name__)

UNKNOWN_CHANNEL = 10003
UNKNOWN_MESSAGE = 10008
UNKNOWN_WEBHOOK = 10015
UNKNOWN_INTERACTION = 10062
ALREADY_ACKNOWLEDGED = 40060
MISSING_ACCESS = 50001
CANNOT_MESSAGE_USER = 50007
MISSING_PERMISSIONS = 50013
INVALID_WEBHOOK_TOKEN = 50027

GONE_CODES: Mapping[int, str] = {
    UNKNOWN_CHANNEL: "the channel does not exist any more",
    UNKNOWN_MESSAGE: "the message does not exist any more",
    UNKNOWN_WEBHOOK: "the interaction is over",
    UNKNOWN_INTERACTION: "the interaction is over",
    MISSING_ACCESS: "the bot has no access to the channel",
    CANNOT_MESSAGE_USER: "the person takes no direct messages from the bot",
    MISSING_PERMISSIONS: "the bot may not post in the channel",
    INVALID_WEBHOOK_TOKEN: "the interaction's token has expired",
}
EXPECTED_CODES = frozenset({*GONE_CODES, ALREADY_ACKNOWLEDGED})
_RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What people see of one class of errors; `key` None shows the error's own sentence, None for all nothing."""

    key: str | None
    is_fault: bool = False


_FAULT = Reply(key="errors.fault", is_fault=True)
_BUSY = Reply(key="errors.busy")
_CHANGED = Reply(key="discord.command_changed")

REPLY_OF: Mapping[type[errors.MjpromptError], Reply] = {
    errors.UserError: Reply(key=None),
    errors.StorageBusy: _BUSY,
    errors.PlatformBusy: _BUSY,
    errors.TransientError: _FAULT,
    errors.PermanentError: _FAULT,
}


def reply_to(error: BaseException) -> Reply | None:
    """Return how to answer, by the nearest class that is mapped; None where Discord cannot show an answer any more."""
    if isinstance(error, discord.HTTPException) and error.code in EXPECTED_CODES:
        return None
    if isinstance(error, (app_commands.CommandNotFound, app_commands.CommandSignatureMismatch)):
        return _CHANGED
    for kind in type(error).__mro__:
        if kind in REPLY_OF:
            return REPLY_OF[kind]
    return _BUSY if isinstance(error, TimeoutError) else _FAULT


def log_error(error: BaseException, reply: Reply | None, **fields: object) -> str:
    """Log what happened, a fault with its traceback; return the number that ties the reply to the log."""
    number = secrets.token_hex(4)
    if reply is None:
        _LOG.info("discord.expected", code=getattr(error, "code", None), **fields)
    elif reply.is_fault:
        _LOG.error("discord.fault", number=number, exc_info=error, **fields)
    else:
        _LOG.info("discord.refused", reason=type(error).__name__, **fields)
    return number


@contextmanager
def translated() -> Iterator[None]:
    """Turn what discord.py raises while sending into the product's own errors.

    Raises:
        AddressGone: nothing can be sent there (any more).
        PlatformBusy: Discord asks to wait, has trouble, or cannot be reached.
    """
    try:
        yield
    except discord.RateLimited as error:
        raise _busy("asks to wait", error.retry_after) from error
    except discord.HTTPException as error:
        raise _of_http(error) from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise _busy("cannot be reached", _RETRY_SECONDS) from error


def _of_http(error: discord.HTTPException) -> errors.MjpromptError:
    reason = GONE_CODES.get(error.code)
    is_refused_token = error.status == 401 and reason is None  # the bot's own: its owner has to renew it
    if error.status == 429 or error.status >= 500 or is_refused_token:
        return _busy(f"answered {error.status}", _retry_after(error))
    if reason is None:
        _LOG.error("discord.refused_message", status=error.status, code=error.code)
        reason = f"Discord refused the message with code {error.code}"
    return errors.AddressGone(f"The message cannot be shown there: {reason}; it stays in /history.")


def _retry_after(error: discord.HTTPException) -> float:
    value = error.response.headers.get("Retry-After") if error.response is not None else None
    try:
        return max(_RETRY_SECONDS, float(value)) if value is not None else _RETRY_SECONDS
    except ValueError:
        return _RETRY_SECONDS


def _busy(what: str, seconds: float) -> errors.PlatformBusy:
    return errors.PlatformBusy(f"Discord {what}; trying again in {seconds:g} s.", retry_after_seconds=seconds)
