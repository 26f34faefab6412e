"""What Discord accepts as the components of a message.

https://discord.com/developers/docs/components/reference; forms have their own rules in modal_limits.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.discord.checks import array, distinct, optional_flag, optional_text, require, text, whole
from tests.fakes.discord.components import SELECTS, ButtonStyle, Component, Kind, walk
from tests.fakes.discord.errors import invalid

MAX_COMPONENTS = 40
MAX_TEXT_LENGTH = 4_000
MAX_CUSTOM_ID_LENGTH = 100
MAX_LABEL_LENGTH = 80
MAX_ROW_LENGTH = 5
MAX_OPTIONS = 25
MAX_COLOR = 0xFFFFFF

LAYOUT = frozenset({Kind.ACTION_ROW, Kind.SECTION, Kind.TEXT, Kind.GALLERY, Kind.FILE, Kind.SEPARATOR, Kind.CONTAINER})
INSIDE_CONTAINER = LAYOUT - {Kind.CONTAINER}


def check_components(components: object, *, is_v2: bool) -> None:
    """Check all components of a message; `is_v2` tells whether it carries the flag IS_COMPONENTS_V2.

    Raises:
        Refusal: 50035, Discord would not accept them.
    """
    rows = array(components, "components", maximum=MAX_COMPONENTS if is_v2 else MAX_ROW_LENGTH)
    for index, component in enumerate(rows):
        path = f"components[{index}]"
        kind = _kind(component, path)
        require(kind in (LAYOUT if is_v2 else {Kind.ACTION_ROW}), path, f"{kind.name} needs IS_COMPONENTS_V2 or a row")
        _check(component, kind, path)
    _check_whole(list(walk(rows)))


def _check_whole(everything: Sequence[Component]) -> None:
    require(len(everything) <= MAX_COMPONENTS, "components", f"at most {MAX_COMPONENTS}, not {len(everything)}")
    length = sum(len(each["content"]) for each in everything if each["type"] == Kind.TEXT)
    require(length <= MAX_TEXT_LENGTH, "components", f"at most {MAX_TEXT_LENGTH} characters of text, not {length}")
    distinct([each["custom_id"] for each in everything if each.get("custom_id")], "components.custom_id")
    distinct([each["id"] for each in everything if each.get("id")], "components.id")


def _kind(component: Mapping[str, Any], path: str) -> Kind:
    number = component.get("type")
    if number not in set(Kind):
        raise invalid(f"{path}.type", f"unknown component type {number!r}")
    return Kind(number)


def _check(component: Mapping[str, Any], kind: Kind, path: str) -> None:
    match kind:
        case Kind.ACTION_ROW:
            _check_row(component, path)
        case Kind.CONTAINER:
            _check_container(component, path)
        case Kind.SECTION:
            _check_section(component, path)
        case Kind.TEXT:
            text(component.get("content"), f"{path}.content", maximum=MAX_TEXT_LENGTH)
        case Kind.SEPARATOR:
            whole(component.get("spacing", 1), f"{path}.spacing", minimum=1, maximum=2)
        case Kind.FILE:
            text((component.get("file") or {}).get("url"), f"{path}.file.url", maximum=2_048)
        case Kind.GALLERY:
            array(component.get("items"), f"{path}.items", minimum=1, maximum=10)
        case Kind.THUMBNAIL:
            text((component.get("media") or {}).get("url"), f"{path}.media.url", maximum=2_048)
        case Kind.BUTTON:
            _check_button(component, path)
        case Kind.STRING_SELECT | Kind.USER_SELECT | Kind.ROLE_SELECT | Kind.MENTIONABLE_SELECT | Kind.CHANNEL_SELECT:
            check_select(component, kind, path)
        case _:
            raise invalid(path, f"{kind.name} belongs into a form, not a message")


def _check_row(row: Mapping[str, Any], path: str) -> None:
    inside = array(row.get("components"), f"{path}.components", minimum=1, maximum=MAX_ROW_LENGTH)
    kinds = [_kind(child, path) for child in inside]
    is_buttons = all(kind == Kind.BUTTON for kind in kinds)
    is_select = len(kinds) == 1 and kinds[0] in SELECTS
    require(is_buttons or is_select, path, "a row holds one to five buttons or one select menu")
    _check_all(inside, path)


def _check_container(container: Mapping[str, Any], path: str) -> None:
    inside = array(container.get("components"), f"{path}.components", minimum=1, maximum=MAX_COMPONENTS)
    for index, child in enumerate(inside):
        kind = _kind(child, path)
        require(kind in INSIDE_CONTAINER, f"{path}.components[{index}]", f"a container cannot hold a {kind.name}")
    if container.get("accent_color") is not None:
        whole(container["accent_color"], f"{path}.accent_color", minimum=0, maximum=MAX_COLOR)
    _check_all(inside, path)


def _check_section(section: Mapping[str, Any], path: str) -> None:
    inside = array(section.get("components"), f"{path}.components", minimum=1, maximum=3)
    require(all(_kind(child, path) == Kind.TEXT for child in inside), path, "a section holds texts only")
    _check_all(inside, path)
    accessory = section.get("accessory")
    if not isinstance(accessory, dict):
        raise invalid(f"{path}.accessory", "a section needs a button or a thumbnail")
    kind = _kind(accessory, f"{path}.accessory")
    require(kind in {Kind.BUTTON, Kind.THUMBNAIL}, f"{path}.accessory", f"cannot be a {kind.name}")
    _check(accessory, kind, f"{path}.accessory")


def _check_all(components: Sequence[Mapping[str, Any]], path: str) -> None:
    for index, component in enumerate(components):
        _check(component, _kind(component, path), f"{path}.components[{index}]")


def _check_button(button: Mapping[str, Any], path: str) -> None:
    style = whole(button.get("style"), f"{path}.style", minimum=ButtonStyle.PRIMARY, maximum=ButtonStyle.PREMIUM)
    optional_text(button.get("label"), f"{path}.label", maximum=MAX_LABEL_LENGTH)
    optional_flag(button.get("disabled"), f"{path}.disabled")
    if style == ButtonStyle.PREMIUM:
        require("sku_id" in button and "custom_id" not in button, path, "a premium button has a sku_id only")
        return
    require(bool(button.get("label") or button.get("emoji")), path, "a button needs a label or an emoji")
    if style == ButtonStyle.LINK:
        text(button.get("url"), f"{path}.url", maximum=512)
        require("custom_id" not in button, path, "a link button has no custom_id")
    else:
        text(button.get("custom_id"), f"{path}.custom_id", maximum=MAX_CUSTOM_ID_LENGTH)
        require("url" not in button, path, "only a link button has a url")


def check_select(select: Mapping[str, Any], kind: Kind, path: str) -> None:
    """Check a select menu of a message or a form.

    Raises:
        Refusal: 50035, Discord would not accept it.
    """
    text(select.get("custom_id"), f"{path}.custom_id", maximum=MAX_CUSTOM_ID_LENGTH)
    optional_text(select.get("placeholder"), f"{path}.placeholder", maximum=150)
    lowest = whole(select.get("min_values", 1), f"{path}.min_values", minimum=0, maximum=MAX_OPTIONS)
    whole(select.get("max_values", 1), f"{path}.max_values", minimum=max(lowest, 1), maximum=MAX_OPTIONS)
    if kind == Kind.STRING_SELECT:
        check_options(select.get("options"), f"{path}.options", minimum=1, maximum=MAX_OPTIONS)


def check_options(options: object, path: str, *, minimum: int, maximum: int) -> None:
    """Check the options of a select menu, a radio group or a group of check boxes.

    Raises:
        Refusal: 50035, Discord would not accept them.
    """
    items = array(options, path, minimum=minimum, maximum=maximum)
    for index, option in enumerate(items):
        text(option.get("label"), f"{path}[{index}].label", maximum=100)
        text(option.get("value"), f"{path}[{index}].value", maximum=100)
        optional_text(option.get("description"), f"{path}[{index}].description", maximum=100)
    distinct([option["value"] for option in items], f"{path}.value")
