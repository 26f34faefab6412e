"""The limits of Block Kit's elements and text objects; pure.

It does not know which block an element stands in, apart from the list of kinds that a block hands over.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tests.fakes.slack.mentions import markup_problems

Json = Mapping[str, Any]

MAX_ID = 255
MAX_LABEL = 75
MAX_VALUE = 2000
MAX_URL = 3000
MAX_PLACEHOLDER = 150
MAX_INPUT_TEXT = 3000
MAX_OPTION_VALUE = 150

_MAX_OPTIONS = {
    "static_select": 100,
    "multi_static_select": 100,
    "radio_buttons": 10,
    "checkboxes": 10,
    "overflow": 5,
}
_TEXT_INPUTS = {"plain_text_input", "email_text_input", "url_text_input", "number_input"}
_PICKERS = {"datepicker", "timepicker", "datetimepicker"}
_LIST_SELECTS = {"users_select", "conversations_select", "channels_select", "external_select"} | {
    "multi_users_select",
    "multi_conversations_select",
    "multi_channels_select",
    "multi_external_select",
}
INPUT_ELEMENTS = (
    _TEXT_INPUTS | _PICKERS | _LIST_SELECTS | (set(_MAX_OPTIONS) - {"overflow"}) | {"rich_text_input", "file_input"}
)
ACTION_ELEMENTS = {"button"} | _PICKERS | _LIST_SELECTS | set(_MAX_OPTIONS)
SECTION_ELEMENTS = ACTION_ELEMENTS | {"image"}


def too_long(what: str, text: object, limit: int) -> Iterator[str]:
    """Yield a sentence when `text` is there and longer than `limit`, or is no text."""
    if text is None:
        return
    if not isinstance(text, str):
        yield f"{what} is no text: {text!r}"
    elif len(text) > limit:
        yield f"{what} has {len(text)} characters; the limit is {limit}"


def text_problems(what: str, text: object, limit: int, *, kinds: Collection[str] = ("plain_text",)) -> Iterator[str]:
    """Yield what is wrong with a text object."""
    if not isinstance(text, Mapping) or text.get("type") not in kinds:
        yield f"{what} must be a text object of the kind {' or '.join(kinds)}, not {text!r:.80}"
        return
    if not text.get("text"):
        yield f"{what} is empty"
    yield from too_long(what, text.get("text"), limit)
    if text["type"] == "mrkdwn" and isinstance(text.get("text"), str):
        yield from markup_problems(text["text"])


def element_problems(element: object, allowed: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with an interactive element that stands where only `allowed` kinds may."""
    if not isinstance(element, Mapping) or element.get("type") not in allowed:
        kind = element.get("type") if isinstance(element, Mapping) else element
        yield f"an element of the kind {kind!r:.80} is not allowed there"
        return
    kind = element["type"]
    if kind == "image":
        yield from image_problems(element)
        return
    yield from _id_problems(kind, element)
    if "confirm" in element:
        yield from _confirm_problems(element["confirm"])
    if "placeholder" in element:
        yield from text_problems("a placeholder", element["placeholder"], MAX_PLACEHOLDER)
    if kind in _MAX_OPTIONS:
        yield from _choice_problems(kind, element)
    elif kind == "button":
        yield from _button_problems(element)
    elif kind == "feedback_buttons":
        yield from _feedback_problems(element)
    elif kind == "icon_button":
        yield from _icon_problems(element)
    elif kind in _TEXT_INPUTS:
        yield from _text_input_problems(element)


def image_problems(element: Json) -> Iterator[str]:
    """Yield what is wrong with an image, as a block or as an element."""
    if not element.get("alt_text"):
        yield "an image has no alt_text"
    yield from too_long("an alt_text", element.get("alt_text"), 2000)
    yield from too_long("an image_url", element.get("image_url"), MAX_URL)
    if not element.get("image_url") and not element.get("slack_file"):
        yield "an image has no image_url"


def _id_problems(kind: str, element: Json) -> Iterator[str]:
    if "action_id" in element and not element["action_id"]:
        yield f"a {kind} has an empty action_id"
    yield from too_long("an action_id", element.get("action_id"), MAX_ID)


def _confirm_problems(confirm: object) -> Iterator[str]:
    if not isinstance(confirm, Mapping):
        yield f"a confirm dialog is no object: {confirm!r:.80}"
        return
    yield from text_problems("a confirm title", confirm.get("title"), 100)
    yield from text_problems("a confirm text", confirm.get("text"), 300, kinds=("plain_text", "mrkdwn"))
    for name in ("confirm", "deny"):
        yield from text_problems(f"a confirm dialog's {name}", confirm.get(name), 30)


def _button_problems(element: Json) -> Iterator[str]:
    yield from text_problems("a button's text", element.get("text"), MAX_LABEL)
    yield from too_long("a button's value", element.get("value"), MAX_VALUE)
    yield from too_long("a button's url", element.get("url"), MAX_URL)
    yield from too_long("a button's accessibility_label", element.get("accessibility_label"), MAX_LABEL)
    if element.get("style") not in (None, "primary", "danger"):
        yield f"a button's style is {element['style']!r}, not primary or danger"


def _feedback_problems(element: Json) -> Iterator[str]:
    for name in ("positive_button", "negative_button"):
        button = element.get(name)
        if not isinstance(button, Mapping):
            yield f"feedback_buttons have no {name}"
            continue
        yield from text_problems(f"a {name}'s text", button.get("text"), MAX_LABEL)
        yield from too_long(f"a {name}'s value", button.get("value"), MAX_VALUE)
        yield from too_long(f"a {name}'s accessibility_label", button.get("accessibility_label"), MAX_LABEL)


def _icon_problems(element: Json) -> Iterator[str]:
    if element.get("icon") != "trash":
        yield f"an icon_button's icon is {element.get('icon')!r}, not trash"
    yield from text_problems("an icon_button's text", element.get("text"), MAX_LABEL)
    yield from too_long("an icon_button's value", element.get("value"), MAX_VALUE)


def _choice_problems(kind: str, element: Json) -> Iterator[str]:
    groups = element.get("option_groups") or []
    options = [*(element.get("options") or []), *(option for group in groups for option in group.get("options", []))]
    if not options:
        yield f"a {kind} has no options"
    if len(options) > _MAX_OPTIONS[kind]:
        yield f"a {kind} has {len(options)} options; the limit is {_MAX_OPTIONS[kind]}"
    for option in options:
        yield from _option_problems(option)
    for chosen in [element.get("initial_option"), *(element.get("initial_options") or [])]:
        if chosen is not None and chosen.get("value") not in {option.get("value") for option in options}:
            yield f"a {kind}'s initial option {chosen.get('value')!r} is none of its options"


def _option_problems(option: object) -> Iterator[str]:
    if not isinstance(option, Mapping):
        yield f"an option is no object: {option!r:.80}"
        return
    yield from text_problems("an option's text", option.get("text"), MAX_LABEL, kinds=("plain_text", "mrkdwn"))
    if not isinstance(option.get("value"), str):
        yield "an option has no value"
    yield from too_long("an option's value", option.get("value"), MAX_OPTION_VALUE)
    if "description" in option:
        kinds = ("plain_text", "mrkdwn")
        yield from text_problems("an option's description", option["description"], MAX_LABEL, kinds=kinds)


def _text_input_problems(element: Json) -> Iterator[str]:
    yield from too_long("an initial_value", element.get("initial_value"), MAX_INPUT_TEXT)
    for name in ("min_length", "max_length"):
        number = element.get(name, 1 if name == "max_length" else 0)
        if not isinstance(number, int) or not 0 <= number <= MAX_INPUT_TEXT:
            yield f"a {name} of {number!r} is outside 0–{MAX_INPUT_TEXT}"
            return
    initial = element.get("initial_value") or ""
    if "max_length" in element and len(initial) > element["max_length"]:
        yield f"an initial_value has {len(initial)} characters; its own max_length is {element['max_length']}"
