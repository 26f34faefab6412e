"""The two forms that ask for an idea: to edit an earlier one, and to make a prompt of a message."""

import re

from bot.slack import asking
from bot.slack.call import Call, unescaped
from bot.slack.desk import Desk
from bot.slack.forms.deadline import in_time
from bot.slack.forms.frames import form, text_field, text_of
from bot.slack.forms.origin import Origin, target_of
from bot.slack.home import home_changed
from bot.slack.views import open_form
from core.idea import MAX_IDEA_CHARACTERS
from core.markup import plain_words

REMIX = "mj1:remix"
ASK = "mj1:ask"
IDEA = "idea"

_TITLED_LINK = re.compile(r"<[^<>|]*\|([^<>]*)>")


async def open_remix(desk: Desk, call: Call, request_id: str) -> None:
    """Open the form with the idea of a request."""
    await call.acknowledge()
    view = await desk.services.chat.view_shared(call.identity, request_id)
    origin = Origin(channel_id=call.channel_id, message_ts=call.message_ts, target=request_id)
    await _open(desk, call, REMIX, title="form.remix_title", idea=view.idea, origin=origin)


async def open_ask(desk: Desk, call: Call) -> None:
    """Open the form with the text of the message that the person pointed at."""
    await call.acknowledge()
    message = call.body.get("message")
    text = plain_message(str(message.get("text") or "")) if isinstance(message, dict) else ""
    await _open(desk, call, ASK, title="slack.titles.ask", idea=text, origin=Origin(channel_id=call.channel_id))


async def remixed(desk: Desk, call: Call) -> None:
    """Queue the edited idea.

    Raises:
        InvalidIdea, InvalidParameter: it cannot be taken.
        NotFound: the request is not there for this person.
        TooManyRequests: a quota or the queue's limit is reached.
    """
    text = text_of(call.body.get("view"), IDEA) or ""
    await in_time(call, asking.remix(desk, call, target_of(call.origin), text))
    home_changed(desk, call)


async def asked(desk: Desk, call: Call) -> None:
    """Queue the idea as if it had been typed behind the command.

    Raises:
        InvalidIdea, InvalidParameter: it cannot be taken.
        TooManyRequests: a quota or the queue's limit is reached.
    """
    await in_time(call, asking.ask(desk, call, text_of(call.body.get("view"), IDEA) or ""))
    home_changed(desk, call)


def plain_message(text: str) -> str:
    """Return a message as words: of links their titles, of mentions nothing, cut to what an idea may have."""
    return plain_words(unescaped(_TITLED_LINK.sub(r"\1", text)))[:MAX_IDEA_CHARACTERS]


async def _open(desk: Desk, call: Call, callback_id: str, *, title: str, idea: str, origin: Origin) -> None:
    speech = await desk.speech_for(call.identity)
    field = text_field(IDEA, speech("form.idea"), value=idea, max_characters=MAX_IDEA_CHARACTERS, is_long=True)
    view = form(
        callback_id,
        title=speech(title),
        submit=speech("form.send"),
        close=speech("form.close"),
        origin=origin,
        blocks=[field],
    )
    await open_form(desk, call, view)
