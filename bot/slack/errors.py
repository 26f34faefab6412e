"""The one place where what goes wrong in a handler becomes one calm private sentence and one log line.

Whatever happens, Slack is told that its request arrived. It knows no command.
"""

import secrets
from collections.abc import Awaitable, Callable

from slack_sdk.errors import SlackClientError

from bot.catalog import FALLBACK_LANGUAGE
from bot.slack.blocks import MAX_TEXT_CHARACTERS, clipped
from bot.slack.call import Call, CallKind
from bot.slack.desk import Desk
from bot.slack.forms.frames import field_to_blame, notice
from core.errors import AddressGone, MjpromptError, TransientError, UserError
from core.logs import get_logger

Handler = Callable[[Desk, Call], Awaitable[None]]

log = get_logger(__name__)


async def guarded(desk: Desk, call: Call, handler: Handler) -> None:
    """Run a handler; tell the person why where it refuses or fails, and acknowledge in any case."""
    try:
        await handler(desk, call)
    except Exception as error:
        fault_id = secrets.token_hex(4)
        await _refused(desk, call, sentence_for(desk, error, fault_id))
        _log(call, error, fault_id)
    finally:
        await call.acknowledge()


def sentence_for(desk: Desk, error: Exception, fault_id: str) -> str:
    """Return what a person may read of an error: a refusal in its own words, anything else without details."""
    if isinstance(error, UserError):
        return str(error)
    key = "errors.busy" if isinstance(error, TransientError) else "errors.fault"
    return desk.services.catalogs.text(FALLBACK_LANGUAGE, key, id=fault_id)


async def _refused(desk: Desk, call: Call, text: str) -> None:
    """Tell the person; a form shows the sentence in itself, which is as private."""
    try:
        if call.kind is CallKind.FORM and not call.acknowledge.is_done:
            await call.acknowledge(_in_the_form(call, text))
        else:
            await desk.replies.say(call, text)
    except (MjpromptError, SlackClientError) as error:
        log.warning("slack.not_said", team_id=call.workspace.team_id, error=type(error).__name__, reason=str(error))


def _in_the_form(call: Call, text: str) -> dict[str, object]:
    view = call.body.get("view")
    block_id = field_to_blame(view)
    if block_id is None:
        return {"response_action": "update", "view": notice(str(view["title"]["text"]) if view else " ", text)}
    return {"response_action": "errors", "errors": {block_id: clipped(text, MAX_TEXT_CHARACTERS)}}


def _log(call: Call, error: Exception, fault_id: str) -> None:
    fields = {
        "team_id": call.workspace.team_id,
        "did": call.kind.name.lower(),
        "error": type(error).__name__,
        "fault_id": fault_id,
    }
    if isinstance(error, UserError):
        log.info("slack.refused", **fields)
    elif isinstance(error, TransientError | AddressGone):
        log.warning("slack.not_done", **fields, reason=str(error))
    else:
        log.error("slack.failed", **fields, exc_info=error)
