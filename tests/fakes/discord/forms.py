"""Filling in a form as Discord's client does: it refuses what breaks the form's own rules."""

from collections.abc import Mapping
from typing import Any

from tests.fakes.discord.components import SELECTS, Component, Kind
from tests.fakes.discord.errors import NotPossible
from tests.fakes.discord.modal_limits import MAX_INPUT_LENGTH, Field, Modal

MANY_VALUES = SELECTS | {Kind.CHECKBOX_GROUP}


def filled_in(modal: Modal, values: Mapping[str, Any]) -> Component:
    """Return the data of the interaction in which somebody sends `modal` with these values.

    Raises:
        NotPossible: a value is for no field, is missing, or is not allowed.
    """
    known = {name for field in modal.fields for name in (field.custom_id, field.label)}
    if not set(values) <= known:
        raise NotPossible(f"The form has {sorted(known)}, not {sorted(set(values) - known)}")
    answers = {field.custom_id: _answer(field, values) for field in modal.fields}
    return {"custom_id": modal.custom_id, "components": [_outer(each, answers) for each in modal.components]}


def _outer(component: Component, answers: Mapping[str, Component]) -> Component:
    """Return a label, row or text display of the form with the answer inside."""
    head = {"type": component["type"], "id": component["id"]}
    match component["type"]:
        case Kind.LABEL:
            return {**head, "component": answers[component["component"]["custom_id"]]}
        case Kind.ACTION_ROW:
            return {**head, "components": [answers[component["components"][0]["custom_id"]]]}
        case _:
            return head


def _answer(field: Field, values: Mapping[str, Any]) -> Component:
    value = values.get(field.custom_id, values.get(field.label, _prefilled(field)))
    if field.is_required and not value:
        raise NotPossible(f"The form needs {field.label!r}")
    head = {"type": int(field.kind), "custom_id": field.custom_id, "id": field.component["id"]}
    if field.kind in MANY_VALUES:
        chosen = list(value or [])
        _check_offered(field, chosen)
        return {**head, "values": chosen}
    match field.kind:
        case Kind.TEXT_INPUT:
            _check_length(field, value or "")
            return {**head, "value": value or ""}
        case Kind.RADIO_GROUP:
            _check_offered(field, [] if value is None else [value])
            return {**head, "value": value}
        case Kind.CHECKBOX:
            return {**head, "value": bool(value)}
        case _:
            raise NotPossible(f"This fake cannot fill in a {field.kind.name}")


def _prefilled(field: Field) -> Any:
    """Return what the bot filled in."""
    if field.kind == Kind.TEXT_INPUT:
        return field.component.get("value")
    if field.kind == Kind.CHECKBOX:
        return field.component.get("default", False)
    chosen = [option["value"] for option in field.component.get("options") or () if option.get("default")]
    if field.kind == Kind.RADIO_GROUP:
        return chosen[0] if chosen else None
    return chosen


def _check_length(field: Field, text: str) -> None:
    lowest = field.component.get("min_length", 0)
    highest = field.component.get("max_length", MAX_INPUT_LENGTH)
    if text and not lowest <= len(text) <= highest:
        raise NotPossible(f"{field.label!r} takes {lowest} to {highest} characters, not {len(text)}")


def _check_offered(field: Field, chosen: list[str]) -> None:
    offered = [option["value"] for option in field.component.get("options") or ()]
    if not set(chosen) <= set(offered):
        raise NotPossible(f"{field.label!r} offers {offered}, not {chosen}")
