"""Discord's forms: why a prompt is not liked, and an idea to edit.

A form's custom_id is a mark of bot/actions.py and its answers are read from the raw submission, so that one that was
opened before a restart is taken after it, and discord.py keeps none in memory. It stores nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import discord
from discord import ui

from bot.actions import Action, mark
from bot.catalog import Catalogs
from bot.discord.markup import shortened
from core.errors import InvalidBody
from core.idea import MAX_IDEA_CHARACTERS
from core.records import Feedback, FeedbackReason

REASON, CORRECTION, IDEA = "reason", "correction", "idea"  # custom_ids of the fields
_MAX_TITLE_CHARACTERS = 45
_MAX_LABEL_CHARACTERS = 45
_MAX_DESCRIPTION_CHARACTERS = 100


def explain_form(candidate_id: str, given: Feedback | None, catalogs: Catalogs, language: str) -> ui.Modal:
    """Return the form after a 👎, filled with what the person said before; both fields are optional."""
    given = given or Feedback()
    options = [
        discord.RadioGroupOption(
            label=catalogs.text(language, f"form.reasons.{reason}"), value=reason.value, default=reason is given.reason
        )
        for reason in FeedbackReason
    ]
    form = _form(Action.EXPLAIN, candidate_id, catalogs.text(language, "form.explain_title"))
    form.add_item(
        _labelled(
            catalogs.text(language, "form.reason"),
            ui.RadioGroup(custom_id=REASON, options=options, required=False),
            catalogs.text(language, "form.reason_hint"),
        )
    )
    form.add_item(
        _labelled(
            catalogs.text(language, "form.correction"),
            _text_field(CORRECTION, given.correction, is_required=False),
            catalogs.text(language, "form.correction_hint"),
        )
    )
    return form


def remix_form(request_id: str, idea: str, catalogs: Catalogs, language: str) -> ui.Modal:
    """Return the form with an idea to edit."""
    form = _form(Action.REMIX, request_id, catalogs.text(language, "form.remix_title"))
    form.add_item(_labelled(catalogs.text(language, "form.idea"), _text_field(IDEA, idea, is_required=True)))
    return form


def answers_of(interaction: discord.Interaction) -> Mapping[str, str]:
    """Return what was typed or chosen in a submitted form by the fields' custom_ids; unanswered ones are left out.

    Raises:
        InvalidBody: it is no form as Discord sends them.
    """
    data: Any = interaction.data
    fields = data.get("components") if isinstance(data, Mapping) else None
    if not isinstance(fields, list):
        raise InvalidBody("The form came without any fields; open it again.")
    return dict(_answers(fields))


def feedback_in(answers: Mapping[str, str]) -> Feedback:
    """Return the feedback of a submitted form.

    Raises:
        InvalidBody: the reason is none that was offered.
    """
    reason = answers.get(REASON)
    if reason is not None and reason not in {known.value for known in FeedbackReason}:
        raise InvalidBody("The reason is none of those in the form; open it again.")
    return Feedback(
        reason=None if reason is None else FeedbackReason(reason), correction=answers.get(CORRECTION) or None
    )


def _answers(components: object) -> Iterator[tuple[str, str]]:
    for component in components if isinstance(components, list) else [components]:
        if not isinstance(component, Mapping):
            continue
        custom_id, value = component.get("custom_id"), component.get("value")
        if isinstance(custom_id, str) and isinstance(value, str) and value:
            yield custom_id, value
        yield from _answers(component.get("component"))
        yield from _answers(component.get("components") or [])


def _form(action: Action, target_id: str, title: str) -> ui.Modal:
    form = ui.Modal(title=shortened(title, _MAX_TITLE_CHARACTERS), custom_id=mark(action, target_id), timeout=None)
    form.stop()  # finished as discord.py sees it: it keeps no state of it
    return form


def _labelled(text: str, field: ui.Item[ui.Modal], description: str | None = None) -> ui.Label[ui.Modal]:
    return ui.Label(
        text=shortened(text, _MAX_LABEL_CHARACTERS),
        component=field,
        description=None if description is None else shortened(description, _MAX_DESCRIPTION_CHARACTERS),
    )


def _text_field(custom_id: str, text: str | None, *, is_required: bool) -> ui.TextInput[ui.Modal]:
    return ui.TextInput(
        custom_id=custom_id,
        style=discord.TextStyle.paragraph,
        default=text,
        required=is_required,
        max_length=MAX_IDEA_CHARACTERS,
    )
