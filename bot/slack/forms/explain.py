"""The form after a 👎: why, and a better prompt; both may be left empty, not both at once."""

from bot.slack.call import Call
from bot.slack.desk import Desk
from bot.slack.forms.deadline import end_form, in_time
from bot.slack.forms.frames import View, choice_field, choice_of, form, text_field, text_of
from bot.slack.forms.origin import Origin, target_of
from bot.slack.views import open_form
from core.errors import NotFound
from core.idea import MAX_IDEA_CHARACTERS
from core.records import Feedback, FeedbackReason

CALLBACK_ID = "mj1:explain"
REASON = "reason"
CORRECTION = "correction"


async def open_explain(desk: Desk, call: Call, candidate_id: str) -> None:
    """Open the form with what the person said before."""
    await call.acknowledge()
    await desk.services.chat.request_of(call.identity, candidate_id)
    given = await desk.services.chat.feedback_of(call.identity, candidate_id)
    origin = Origin(channel_id=call.channel_id, message_ts=call.message_ts, target=candidate_id)
    await open_form(desk, call, await _view(desk, call, origin, given or Feedback()))


async def explained(desk: Desk, call: Call) -> None:
    """Keep what was filled in, and say thanks in the form.

    Raises:
        InvalidIdea, InvalidParameter: the form is empty, or its better prompt cannot be taken.
        NotFound: the candidate is not there for this person.
    """
    view = call.body.get("view")
    given = Feedback(reason=_reason(choice_of(view, REASON)), correction=text_of(view, CORRECTION))
    await in_time(call, desk.services.chat.give_feedback(call.identity, target_of(call.origin), given))
    speech = await desk.speech_for(call.identity)
    thanks = "form.thanks" if await desk.services.chat.has_consented(call.identity) else "form.thanks_learning"
    await end_form(desk, call, speech("form.explain_title"), speech(thanks))


async def _view(desk: Desk, call: Call, origin: Origin, given: Feedback) -> View:
    speech = await desk.speech_for(call.identity)
    reasons = {reason.value: speech(f"form.reasons.{reason}") for reason in FeedbackReason}
    fields = [
        choice_field(
            REASON, speech("form.reason"), reasons, chosen=given.reason, is_optional=True, kind="radio_buttons"
        ),
        text_field(
            CORRECTION,
            speech("form.correction"),
            value=given.correction,
            max_characters=MAX_IDEA_CHARACTERS,
            is_optional=True,
            is_long=True,
        ),
    ]
    return form(
        CALLBACK_ID,
        title=speech("form.explain_title"),
        submit=speech("form.send"),
        close=speech("form.close"),
        origin=origin,
        blocks=fields,
    )


def _reason(value: str | None) -> FeedbackReason | None:
    if value is None:
        return None
    try:
        return FeedbackReason(value)
    except ValueError as error:
        raise NotFound("This reason is from another version of the bot; open the form again.") from error
