"""Doing what a form asks for while its acknowledgement can still carry the outcome back into it.

Slack waits three seconds. Work that ends in time leaves the form unacknowledged, so that a refusal or the result can be
shown in it; at the deadline the form is closed and the work goes on.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from bot.acknowledge import WITHIN_SECONDS
from bot.slack.call import Call
from bot.slack.desk import Desk
from bot.slack.forms.frames import notice

T = TypeVar("T")


async def in_time(call: Call, work: Coroutine[Any, Any, T], *, within_seconds: float = WITHIN_SECONDS) -> T:
    """Do `work`; acknowledge at the deadline where it takes longer, and return its result either way."""
    working = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({working}, timeout=within_seconds)
        if not done:
            await call.acknowledge()
        return await working
    except asyncio.CancelledError:
        working.cancel()
        await asyncio.wait({working})
        raise


async def end_form(desk: Desk, call: Call, title: str, text: str) -> None:
    """Show the outcome in the form, or privately where it was closed at the deadline."""
    if call.acknowledge.is_done:
        await desk.replies.say(call, text)
    else:
        await call.acknowledge({"response_action": "update", "view": notice(title, text)})
