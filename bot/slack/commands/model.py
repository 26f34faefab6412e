"""`/model` and `/retrain`: what serves now, and what operators decide about it."""

from bot.slack.call import Call
from bot.slack.desk import Desk
from bot.slack.forms.questions import open_decision
from bot.slack.pages import model_page
from bot.slack.panel_presses import show_page
from core.characters import shown
from core.errors import InvalidParameter
from core.records import AuditAction


async def model(desk: Desk, call: Call) -> None:
    """Show the model, or ask an operator about promoting an adapter or rolling back.

    Raises:
        InvalidParameter: the words behind the command are none of it.
        NotAllowed, NotFound: as bot.slack.forms.questions.open_decision says.
    """
    match call.text.split():
        case [] | ["show"]:
            await _show(desk, call)
        case ["promote"]:
            await open_decision(desk, call, AuditAction.PROMOTE)
        case ["promote", adapter]:
            await open_decision(desk, call, AuditAction.PROMOTE, adapter=adapter)
        case ["rollback"]:
            await open_decision(desk, call, AuditAction.ROLLBACK)
        case _:
            raise InvalidParameter(
                f"/model does not know '{shown(call.text)}'; write /model show, /model promote or /model rollback."
            )


async def retrain(desk: Desk, call: Call) -> None:
    """Ask an operator about training the next adapter.

    Raises:
        NotAllowed: the person is no operator.
    """
    await open_decision(desk, call, AuditAction.RETRAIN)


async def _show(desk: Desk, call: Call) -> None:
    await call.acknowledge()
    status = await desk.services.administration.model_status(call.identity)
    await show_page(desk, call, model_page(status, await desk.speech_for(call.identity)))
