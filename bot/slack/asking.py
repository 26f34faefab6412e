"""Everything that leads to a new message: an ask, a variation, an edited or repeated idea, a shared prompt.

The order is always the same: check what can be checked at once, acknowledge, store together with the address of the
answer. The answer is delivered later, from the outbox. It knows neither commands nor forms.
"""

from bot.ask_options import AskOptions, split_flags
from bot.slack.call import Call
from bot.slack.desk import Desk
from bot.slack.gateway import destination_for
from core.records import Destination


async def ask(desk: Desk, call: Call, text: str) -> None:
    """Take in one typed idea.

    Raises:
        InvalidIdea, InvalidParameter: the text cannot be taken; nothing was acknowledged yet.
        TooManyRequests: a quota or the queue's limit is reached.
    """
    desk.services.chat.check(text)
    await call.acknowledge()
    typed = split_flags(text)[1].is_private
    is_private = typed if typed is not None else await _is_private_here(desk, call)
    await desk.services.chat.ask(
        call.identity,
        text,
        event_id=call.event_id,
        reply_to=answer_address(call, is_private=is_private),
        options=AskOptions(is_private=is_private),
    )
    await tell_where(desk, call, is_private=is_private)


async def vary(desk: Desk, call: Call, candidate_id: str) -> None:
    """Ask for more prompts like one candidate."""
    await call.acknowledge()
    origin = await desk.services.chat.request_of(call.identity, candidate_id)
    is_private = origin.is_private or await _is_private_now(desk, call)
    reply_to = answer_address(call, is_private=is_private)
    await desk.services.chat.vary(call.identity, candidate_id, event_id=call.event_id, reply_to=reply_to)
    await tell_where(desk, call, is_private=is_private)


async def reroll(desk: Desk, call: Call, request_id: str) -> None:
    """Ask for the same idea again."""
    await call.acknowledge()
    origin = await desk.services.chat.view_shared(call.identity, request_id)
    is_private = origin.is_private or await _is_private_now(desk, call)
    reply_to = answer_address(call, is_private=is_private)
    await desk.services.chat.reroll(call.identity, request_id, event_id=call.event_id, reply_to=reply_to)
    await tell_where(desk, call, is_private=is_private)


async def remix(desk: Desk, call: Call, request_id: str, text: str) -> None:
    """Ask for an edited idea.

    Raises:
        InvalidIdea, InvalidParameter: the text cannot be taken; nothing was acknowledged yet.
    """
    desk.services.chat.check(text)
    origin = await desk.services.chat.view_shared(call.identity, request_id)
    typed = split_flags(text)[1].is_private
    is_private = origin.is_private or (typed if typed is not None else await _is_private_now(desk, call))
    reply_to = answer_address(call, is_private=is_private)
    await desk.services.chat.remix(call.identity, request_id, text, event_id=call.event_id, reply_to=reply_to)
    await tell_where(desk, call, is_private=is_private)


async def share(desk: Desk, call: Call, candidate_id: str) -> None:
    """Have one candidate shown to everybody in the channel."""
    await call.acknowledge()
    await desk.services.chat.share(
        call.identity, candidate_id, event_id=call.event_id, reply_to=answer_address(call, is_private=False)
    )
    await desk.say(call, "cards.done.shared")


async def _is_private_here(desk: Desk, call: Call) -> bool:
    """Tell whether answers are private in this workspace unless somebody says otherwise; it is passed on with the ask.

    So it may be some seconds old.
    """
    return (await desk.services.administration.remembered_settings(call.identity)).is_private


async def _is_private_now(desk: Desk, call: Call) -> bool:
    """Tell the same without any memory: for what the service decides itself when it is stored, a moment later."""
    return (await desk.services.administration.settings_of(call.identity)).is_private


async def tell_where(desk: Desk, call: Call, *, is_private: bool) -> None:
    """Say that an answer comes as a direct message, to somebody who would look for it here."""
    if is_private and call.channel_id is not None and not call.channel_id.startswith("D"):
        await desk.say(call, "slack.private_answer")


def answer_address(call: Call, *, is_private: bool) -> Destination:
    """Return where the answer to a call goes."""
    return destination_for(
        call.workspace,
        user_id=call.user_id,
        channel_id=call.channel_id,
        is_private=is_private,
    )
