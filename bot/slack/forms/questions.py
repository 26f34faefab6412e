"""Forms that only ask whether somebody is sure: deleting everything, and what operators decide about the model."""

from collections.abc import Mapping

from bot.panels import forgotten_text
from bot.slack.blocks import Block, plain_section
from bot.slack.call import Call
from bot.slack.desk import Desk, Speech
from bot.slack.forms.deadline import end_form, in_time
from bot.slack.forms.frames import View, choice_field, choice_of, form
from bot.slack.forms.origin import Origin
from bot.slack.gateway import destination_for
from bot.slack.home import home_changed
from bot.slack.views import open_form
from core.errors import NotFound
from core.records import AuditAction, Destination

FORGET = "mj1:forget"
RETRAIN = "mj1:retrain"
CANCEL_RETRAIN = "mj1:cancel_retrain"
PROMOTE = "mj1:promote"
ROLLBACK = "mj1:rollback"
ADAPTER = "adapter"

OPERATOR_FORMS: Mapping[str, AuditAction] = {
    RETRAIN: AuditAction.RETRAIN,
    CANCEL_RETRAIN: AuditAction.CANCEL_RETRAIN,
    PROMOTE: AuditAction.PROMOTE,
    ROLLBACK: AuditAction.ROLLBACK,
}
_TITLES = {
    AuditAction.RETRAIN: "slack.titles.retrain",
    AuditAction.CANCEL_RETRAIN: "slack.titles.cancel_retrain",
    AuditAction.PROMOTE: "slack.titles.promote",
    AuditAction.ROLLBACK: "slack.titles.rollback",
}


async def open_forget(desk: Desk, call: Call, _: str | None = None) -> None:
    """Ask whether everything about the person is to be deleted."""
    await call.acknowledge()
    speech = await desk.speech_for(call.identity)
    view = form(
        FORGET,
        title=speech("slack.titles.forget"),
        submit=speech("slack.titles.forget_yes"),
        close=speech("privacy.delete_no"),
        origin=Origin(channel_id=call.channel_id),
        blocks=[plain_section(speech("privacy.delete_confirm"))],
    )
    await open_form(desk, call, view)


async def forget_sent(desk: Desk, call: Call) -> None:
    """Delete everything about the person and say what that was."""
    gone = await in_time(call, desk.services.privacy.forget(call.identity))
    home_changed(desk, call)
    speech = await desk.speech_for(call.identity)
    text = forgotten_text(gone, desk.services.catalogs, speech.language)
    await end_form(desk, call, speech("slack.titles.forget"), text)


async def open_decision(desk: Desk, call: Call, action: AuditAction, *, adapter: str | None = None) -> None:
    """Ask an operator whether they are sure; for a promotion also which adapter, unless it was typed.

    Raises:
        NotAllowed: the person is no operator.
        NotFound: there is no such adapter, or none at all.
    """
    administration = desk.services.administration
    details = {} if adapter is None else {"adapter": adapter}
    await in_time(call, administration.require_operator(call.identity, action, details=details))
    await call.acknowledge()
    names = await administration.adapter_names() if action is AuditAction.PROMOTE else []
    speech = await desk.speech_for(call.identity)
    if action is AuditAction.PROMOTE and not names:
        raise NotFound(speech("model.no_adapters"))
    if adapter is not None and adapter not in names:
        raise NotFound("There is no such adapter to promote; use the command without a name to see which there are.")
    await open_form(desk, call, _decision(speech, action, names, adapter, call))


async def decision_sent(desk: Desk, call: Call) -> None:
    """Carry out the operator's decision and show the sentence that says what happened.

    Raises:
        NotAllowed: the person is no operator (any more).
        NotFound: the form is of another version; else, and NotPossible, as the service's `confirm` says.
    """
    view = call.body.get("view")
    action = OPERATOR_FORMS.get(str(view.get("callback_id"))) if isinstance(view, Mapping) else None
    if action is None:
        raise NotFound("This form is from another version of the bot; use the command again.")
    details: dict[str, object] = {}
    speech = await desk.speech_for(call.identity)
    if action is AuditAction.PROMOTE:
        details["adapter"] = choice_of(view, ADAPTER)
    deciding = desk.services.administration.confirm(
        call.identity,
        action,
        details=details,
        event_id=call.event_id,
        follow_at=_followed_at(call, speech.language) if action is AuditAction.RETRAIN else None,
    )
    text = await in_time(call, deciding)
    await end_form(desk, call, speech(_TITLES[action]), text)


def _followed_at(call: Call, language: str) -> Destination:
    """Return where a message follows what was begun: in the channel that the command was used in."""
    where = destination_for(call.workspace, user_id=call.user_id, channel_id=call.channel_id, is_private=False)
    return {**where, "language": language}


def _decision(speech: Speech, action: AuditAction, names: list[str], adapter: str | None, call: Call) -> View:
    blocks: list[Block] = [plain_section(speech(f"slack.confirm.{action}"))]
    if action is AuditAction.PROMOTE:
        choices = {name: name for name in names}
        label = speech("commands.model.options.adapter.description")
        blocks.append(choice_field(ADAPTER, label, choices, chosen=adapter))
    return form(
        next(callback_id for callback_id, known in OPERATOR_FORMS.items() if known is action),
        title=speech(_TITLES[action]),
        submit=speech("model.confirm"),
        close=speech("form.close"),
        origin=Origin(channel_id=call.channel_id),
        blocks=blocks,
    )
