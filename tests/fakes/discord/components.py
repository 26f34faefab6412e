"""Message components as Discord sends them, and the tree that people see.

It reads what was accepted; what may be sent is in component_limits.py and modal_limits.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

Component = dict[str, Any]


class Kind(IntEnum):
    """Discord's component types: https://discord.com/developers/docs/components/reference"""

    ACTION_ROW = 1
    BUTTON = 2
    STRING_SELECT = 3
    TEXT_INPUT = 4
    USER_SELECT = 5
    ROLE_SELECT = 6
    MENTIONABLE_SELECT = 7
    CHANNEL_SELECT = 8
    SECTION = 9
    TEXT = 10
    THUMBNAIL = 11
    GALLERY = 12
    FILE = 13
    SEPARATOR = 14
    CONTAINER = 17
    LABEL = 18
    FILE_UPLOAD = 19
    RADIO_GROUP = 21
    CHECKBOX_GROUP = 22
    CHECKBOX = 23


class ButtonStyle(IntEnum):
    """The looks of a button; LINK opens a page and PREMIUM a shop, neither tells the bot."""

    PRIMARY = 1
    SECONDARY = 2
    SUCCESS = 3
    DANGER = 4
    LINK = 5
    PREMIUM = 6


SELECTS = frozenset(
    {Kind.STRING_SELECT, Kind.USER_SELECT, Kind.ROLE_SELECT, Kind.MENTIONABLE_SELECT, Kind.CHANNEL_SELECT}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One button as it is seen: `label` starts with the emoji, if there is one."""

    label: str
    custom_id: str | None
    style: ButtonStyle
    emoji: str | None
    is_disabled: bool
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One component of a message, ready to draw: `kind` is the name of a `Kind` in small letters."""

    kind: str
    text: str = ""
    button: Button | None = None
    accent_color: int | None = None
    options: tuple[str, ...] = ()
    children: tuple["Node", ...] = ()


def children_of(component: Mapping[str, Any]) -> list[Component]:
    """Return the components directly inside `component`: of a row, a container, a section, a label."""
    inside = list(component.get("components") or [])
    return inside + [component[key] for key in ("accessory", "component") if isinstance(component.get(key), dict)]


def walk(components: Iterable[Component]) -> Iterator[Component]:
    """Yield every component in the order of the message, outer ones first."""
    for component in components:
        yield component
        yield from walk(children_of(component))


def texts_of(components: Iterable[Component]) -> list[str]:
    """Return what the text displays say."""
    return [component["content"] for component in walk(components) if component["type"] == Kind.TEXT]


def buttons_of(components: Iterable[Component]) -> list[Button]:
    """Return the buttons in the order of the message."""
    return [read_button(component) for component in walk(components) if component["type"] == Kind.BUTTON]


def read_button(component: Mapping[str, Any]) -> Button:
    """Return the button that `component` describes."""
    emoji = (component.get("emoji") or {}).get("name")
    return Button(
        label=" ".join(part for part in (emoji, component.get("label")) if part),
        custom_id=component.get("custom_id"),
        style=ButtonStyle(component["style"]),
        emoji=emoji,
        is_disabled=bool(component.get("disabled")),
        url=component.get("url"),
    )


def tree_of(components: Iterable[Component]) -> tuple[Node, ...]:
    """Return the components as a tree that can be drawn."""
    return tuple(_node(component) for component in components)


def number(components: Sequence[Component]) -> None:
    """Give an id to every component that came without one, as Discord does."""
    taken = {component["id"] for component in walk(components) if component.get("id")}
    free = (candidate for candidate in range(1, 1_000) if candidate not in taken)
    for component in walk(components):
        if not component.get("id"):
            component["id"] = next(free)


def _node(component: Component) -> Node:
    kind = Kind(component["type"])
    return Node(
        kind=kind.name.lower(),
        text=_own_text(kind, component),
        button=read_button(component) if kind == Kind.BUTTON else None,
        accent_color=component.get("accent_color"),
        options=tuple(option["label"] for option in component.get("options") or ()),
        children=tree_of(children_of(component)),
    )


def _own_text(kind: Kind, component: Component) -> str:
    if kind == Kind.TEXT:
        return str(component["content"])
    if kind == Kind.FILE:
        return str(component["file"]["url"])
    return str(component.get("label") or component.get("placeholder") or "")
