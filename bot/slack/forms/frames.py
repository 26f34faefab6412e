"""The parts that all forms share: frame, fields and reading what was filled in; pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.slack.blocks import MAX_TEXT_CHARACTERS, MAX_VIEW_BLOCKS, Block, clipped, plain_section, plain_text
from bot.slack.forms.origin import Origin, written

View = Mapping[str, Any]

MAX_TITLE_CHARACTERS = 24
MAX_LABEL_CHARACTERS = 150
MAX_OPTION_CHARACTERS = 75
MAX_OPTIONS = 100
ANSWER = "answer"  # the action_id of the one element in each input block


def form(callback_id: str, *, title: str, submit: str, close: str, origin: Origin, blocks: Sequence[Block]) -> View:
    """Return a form that can be sent."""
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain_text(title, MAX_TITLE_CHARACTERS),
        "submit": plain_text(submit, MAX_TITLE_CHARACTERS),
        "close": plain_text(close, MAX_TITLE_CHARACTERS),
        "private_metadata": written(origin),
        "blocks": list(blocks[:MAX_VIEW_BLOCKS]),
    }


def notice(title: str, text: str) -> View:
    """Return a form's last page: one sentence to read."""
    return page(title, [plain_section(text)])


def page(title: str, blocks: Sequence[Block]) -> View:
    """Return a page to read, without anything to send."""
    return {
        "type": "modal",
        "title": plain_text(title, MAX_TITLE_CHARACTERS),
        "blocks": list(blocks[:MAX_VIEW_BLOCKS]),
    }


def text_field(
    block_id: str,
    label: str,
    *,
    value: str | None = None,
    max_characters: int = MAX_TEXT_CHARACTERS,
    is_optional: bool = False,
    is_long: bool = False,
) -> Block:
    element: dict[str, Any] = {
        "type": "plain_text_input",
        "action_id": ANSWER,
        "multiline": is_long,
        "max_length": max_characters,
    }
    if value and value.strip():
        element["initial_value"] = clipped(value, max_characters)
    return _input(block_id, label, element, is_optional=is_optional)


def choice_field(
    block_id: str,
    label: str,
    choices: Mapping[str, str],
    *,
    chosen: str | None = None,
    is_optional: bool = False,
    kind: str = "static_select",
) -> Block:
    """Return a menu of `choices` (value to label); what was `chosen` before is preselected if it is among them."""
    options = {
        value: {"text": plain_text(text, MAX_OPTION_CHARACTERS), "value": value}
        for value, text in list(choices.items())[:MAX_OPTIONS]
    }
    element: dict[str, Any] = {"type": kind, "action_id": ANSWER, "options": list(options.values())}
    if chosen in options:
        element["initial_option"] = options[chosen]
    return _input(block_id, label, element, is_optional=is_optional)


def text_of(view: object, block_id: str) -> str | None:
    """Return what was typed into a field, None for nothing."""
    value = _answer(view, block_id).get("value")
    return value.strip() or None if isinstance(value, str) else None


def choice_of(view: object, block_id: str) -> str | None:
    """Return the value of what was chosen, None for nothing."""
    option = _answer(view, block_id).get("selected_option")
    value = option.get("value") if isinstance(option, Mapping) else None
    return value if isinstance(value, str) else None


def field_to_blame(view: object) -> str | None:
    """Return the block that can show what is wrong with a form: what was typed, else what was chosen, else None."""
    blocks = view.get("blocks") if isinstance(view, Mapping) else None
    inputs = [block for block in blocks or [] if isinstance(block, Mapping) and block.get("type") == "input"]
    typed = [block for block in inputs if _kind(block) == "plain_text_input"]
    return str((typed or inputs)[0].get("block_id")) if inputs else None


def _kind(block: Mapping[str, Any]) -> object:
    element = block.get("element")
    return element.get("type") if isinstance(element, Mapping) else None


def _input(block_id: str, label: str, element: Mapping[str, Any], *, is_optional: bool) -> Block:
    return {
        "type": "input",
        "block_id": block_id,
        "label": plain_text(label, MAX_LABEL_CHARACTERS),
        "element": element,
        "optional": is_optional,
    }


def _answer(view: object, block_id: str) -> Mapping[str, Any]:
    found: object = view
    for key in ("state", "values", block_id, ANSWER):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
