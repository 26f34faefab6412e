"""`/model` and `/retrain`: what serves now, how learning goes, and what operators decide about both."""

from bot.slack.call import Call
from bot.slack.desk import Desk
from bot.slack.forms.questions import open_decision
from bot.slack.pages import cycle_page, model_page, plan_page
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
    """Show what the votes are enough for or how the training goes, or ask an operator about beginning or ending one.

    Without a word it is the status while a training goes on, else the plan.

    Raises:
        InvalidParameter: the words behind the command are none of it.
        NotAllowed, NotFound: the person is no operator; see bot.slack.forms.questions.open_decision.
        NotPossible: this process cannot plan.
    """
    match call.text.split():
        case ["start"]:
            await open_decision(desk, call, AuditAction.RETRAIN)
        case ["cancel"]:
            await open_decision(desk, call, AuditAction.CANCEL_RETRAIN)
        case [] | ["plan"] | ["status"] as words:
            await call.acknowledge()
            status = None if words == ["plan"] else await desk.services.learning.status(call.identity)
            is_going_on = status is not None and status.cycle.state.is_open
            speech = await desk.speech_for(call.identity)
            if words == ["status"] or is_going_on:
                await show_page(desk, call, cycle_page(status, speech))
            else:
                await show_page(desk, call, plan_page(await desk.services.learning.outlook(call.identity), speech))
        case _:
            raise InvalidParameter(
                f"/retrain does not know '{shown(call.text)}'; write /retrain plan, start, status or cancel."
            )


async def _show(desk: Desk, call: Call) -> None:
    await call.acknowledge()
    status = await desk.services.administration.model_status(call.identity)
    await show_page(desk, call, model_page(status, await desk.speech_for(call.identity)))
