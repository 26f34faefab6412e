"""What Discord accepts as a form (a modal), and the form as a person sees it.

https://discord.com/developers/docs/components/reference, "modal" column.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes.discord.checks import array, distinct, optional_flag, optional_text, require, text, whole
from tests.fakes.discord.component_limits import MAX_CUSTOM_ID_LENGTH, check_options, check_select
from tests.fakes.discord.components import SELECTS, Component, Kind, number, texts_of
from tests.fakes.discord.errors import invalid

MAX_TITLE_LENGTH = 45
MAX_FIELDS = 5
MAX_INPUT_LENGTH = 4_000

FIELDS = SELECTS | {Kind.TEXT_INPUT, Kind.FILE_UPLOAD, Kind.RADIO_GROUP, Kind.CHECKBOX_GROUP, Kind.CHECKBOX}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of an open form; `component` is what the bot sent for it."""

    custom_id: str
    label: str
    kind: Kind
    is_required: bool
    component: Component


@dataclass(frozen=True, slots=True, kw_only=True)
class Modal:
    """An open form."""

    custom_id: str
    title: str
    fields: tuple[Field, ...]
    text: str
    components: list[Component]


def read_modal(data: object) -> Modal:
    """Check the data of a MODAL answer and return the form.

    Raises:
        Refusal: 50035, Discord would not accept it.
    """
    require(isinstance(data, dict), "data", "a form is missing")
    assert isinstance(data, dict)
    text(data.get("title"), "data.title", maximum=MAX_TITLE_LENGTH)
    text(data.get("custom_id"), "data.custom_id", maximum=MAX_CUSTOM_ID_LENGTH)
    components = array(data.get("components"), "data.components", minimum=1, maximum=MAX_FIELDS)
    fields = [field for index, each in enumerate(components) for field in _read(each, f"data.components[{index}]")]
    distinct([field.custom_id for field in fields], "data.components.custom_id")
    number(components)
    return Modal(
        custom_id=data["custom_id"],
        title=data["title"],
        fields=tuple(fields),
        text="\n".join(texts_of(components)),
        components=components,
    )


def _read(outer: Mapping[str, Any], path: str) -> list[Field]:
    """Return the field inside a label or a row; a text display holds none."""
    match outer.get("type"):
        case Kind.TEXT:
            text(outer.get("content"), f"{path}.content", maximum=MAX_INPUT_LENGTH)
            return []
        case Kind.LABEL:
            text(outer.get("label"), f"{path}.label", maximum=45)
            optional_text(outer.get("description"), f"{path}.description", maximum=100)
            inner = outer.get("component")
            label = outer["label"]
        case Kind.ACTION_ROW:
            inner = array(outer.get("components"), f"{path}.components", minimum=1, maximum=1)[0]
            label = inner.get("label")
            text(label, f"{path}.label", maximum=45)
        case other:
            raise invalid(path, f"a form holds labels and texts, not component type {other!r}")
    if not isinstance(inner, dict):
        raise invalid(path, "the label is without a field")
    return [_check_field(inner, label, path)]


def _check_field(component: Component, label: str, path: str) -> Field:
    kind = component.get("type")
    if kind not in FIELDS:
        raise invalid(path, f"component type {kind!r} is no field of a form")
    text(component.get("custom_id"), f"{path}.custom_id", maximum=MAX_CUSTOM_ID_LENGTH)
    optional_flag(component.get("required"), f"{path}.required")
    match Kind(kind):
        case Kind.TEXT_INPUT:
            _check_input(component, path)
        case Kind.RADIO_GROUP:
            check_options(component.get("options"), f"{path}.options", minimum=2, maximum=10)
        case Kind.CHECKBOX_GROUP:
            check_options(component.get("options"), f"{path}.options", minimum=1, maximum=10)
        case select if select in SELECTS:
            check_select(component, select, path)
    return Field(
        custom_id=component["custom_id"],
        label=label,
        kind=Kind(kind),
        is_required=bool(component.get("required", True)) and kind != Kind.CHECKBOX,
        component=component,
    )


def _check_input(field: Mapping[str, Any], path: str) -> None:
    whole(field.get("style"), f"{path}.style", minimum=1, maximum=2)
    lowest = whole(field.get("min_length", 0), f"{path}.min_length", minimum=0, maximum=MAX_INPUT_LENGTH)
    highest = field.get("max_length", MAX_INPUT_LENGTH)
    whole(highest, f"{path}.max_length", minimum=max(lowest, 1), maximum=MAX_INPUT_LENGTH)
    optional_text(field.get("placeholder"), f"{path}.placeholder", maximum=100)
    optional_text(field.get("value"), f"{path}.value", maximum=highest)
