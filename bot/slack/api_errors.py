"""Slack's and the network's failures as the product's own errors: the one place that maps them.

https://docs.slack.dev/reference/methods/chat.postMessage lists what a message can be refused with.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError, SlackTokenRotationError

from core.errors import AddressGone, PlatformBusy

DEFAULT_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 3600.0
NETWORK_RETRY_SECONDS = 2.0

BUSY_ERRORS = frozenset(
    {
        "fatal_error",
        "internal_error",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
    }
)


@contextmanager
def translated_errors(what: str) -> Iterator[None]:
    """Raise the product's errors in place of the SDK's; `what` names the call, such as `chat.update`.

    Raises:
        PlatformBusy: Slack asks to wait, fails on its side, or cannot be reached.
        AddressGone: Slack refuses: the channel, message or person is out of reach, or the token is no longer good.
    """
    try:
        yield
    except SlackApiError as error:
        raise _translated(what, error) from error
    except SlackTokenRotationError as error:
        raise _translated(what, error.api_error) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise PlatformBusy(
            f"Slack cannot be reached for {what} ({type(error).__name__}); it is tried again.",
            retry_after_seconds=NETWORK_RETRY_SECONDS,
        ) from error
    except SlackClientError as error:
        raise AddressGone(f"Slack does not let the bot do {what} ({type(error).__name__}).") from error


def error_name(error: SlackApiError) -> str:
    """Return Slack's own name of an error, such as `channel_not_found`; the HTTP status where there is none."""
    name = _fields(error).get("error")
    return name if isinstance(name, str) and name else f"http_{_status(error)}"


def _translated(what: str, error: SlackApiError) -> PlatformBusy | AddressGone:
    name, status = error_name(error), _status(error)
    is_unreadable = status < 400 and name.startswith("http_")  # the answer of something in between, not Slack's
    if name in BUSY_ERRORS or is_unreadable or status == 429 or status >= 500:
        return PlatformBusy(
            f"Slack asks to wait with {what} ({name}).", retry_after_seconds=_retry_after_seconds(error)
        )
    return AddressGone(f"Slack refuses {what} ({name}).")


def _fields(error: SlackApiError) -> dict[str, Any]:
    data = getattr(error.response, "data", error.response)
    return data if isinstance(data, dict) else {}


def _status(error: SlackApiError) -> int:
    status = getattr(error.response, "status_code", getattr(error.response, "status", 0))
    return status if isinstance(status, int) else 0


def _retry_after_seconds(error: SlackApiError) -> float:
    headers = getattr(error.response, "headers", None) or {}
    try:
        seconds = float(headers.get("Retry-After", DEFAULT_RETRY_SECONDS))
    except (TypeError, ValueError):
        return DEFAULT_RETRY_SECONDS
    return min(max(seconds, 0.0), MAX_RETRY_SECONDS) if math.isfinite(seconds) else DEFAULT_RETRY_SECONDS
