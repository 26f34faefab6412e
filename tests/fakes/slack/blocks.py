"""Reading block trees as a person does: the text that is shown, and what can be pressed or filled in; pure."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes.slack.mentions import unescaped

Json = Mapping[str, Any]

_CHOICES = {"static_select", "radio_buttons", "checkboxes", "overflow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One thing to press; a menu has one for each option."""

    label: str
    action_id: str
    block_id: str
    value: str | None
    element: Json
    option: Json | None = None

    def as_action(self, action_ts: str) -> dict[str, Any]:
        """Return the entry in a payload's `actions` that a press makes."""
        kind = self.element["type"]
        action = {"action_id": self.action_id, "block_id": self.block_id, "type": kind, "action_ts": action_ts}
        if self.option is not None:
            is_many = kind == "checkboxes"
            return action | ({"selected_options": [self.option]} if is_many else {"selected_option": self.option})
        if kind == "button":
            action["text"] = self.element["text"]
        return action if self.value is None else action | {"value": self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input block of a view."""

    label: str
    block_id: str
    action_id: str
    is_optional: bool
    element: Json

    @property
    def names(self) -> tuple[str, ...]:
        return (self.label, self.action_id, self.block_id)


def with_ids(blocks: Sequence[Json] | None, prefix: str) -> list[dict[str, Any]]:
    """Return a copy whose blocks and interactive elements all have ids, as Slack gives them."""
    copied = [dict(copy.deepcopy(block)) for block in blocks or []]
    for number, block in enumerate(copied):
        block.setdefault("block_id", f"{prefix}{number}")
        for position, element in enumerate(_interactive(block)):
            element.setdefault("action_id", f"{prefix}{number}.{position}")
    return copied


def controls(blocks: Sequence[Json]) -> list[Control]:
    """Return everything that can be pressed, from top to bottom."""
    return [control for block in blocks for element in _interactive(block) for control in _controls_of(block, element)]


def fields(blocks: Sequence[Json]) -> list[Field]:
    """Return the input blocks, from top to bottom."""
    return [
        Field(
            label=block["label"]["text"],
            block_id=block["block_id"],
            action_id=block["element"]["action_id"],
            is_optional=bool(block.get("optional")),
            element=block["element"],
        )
        for block in blocks
        if block["type"] == "input"
    ]


def shown_text(blocks: Sequence[Json]) -> str:
    """Return the text of all blocks, a line for each piece, without the labels of buttons."""
    return "\n".join(piece for block in blocks for piece in _pieces(block) if piece)


def _interactive(block: Json) -> list[Any]:
    if block["type"] in ("actions", "context_actions"):
        return list(block["elements"])
    single = block.get("accessory") if block["type"] == "section" else block.get("element")
    return [single] if single is not None and single["type"] != "image" else []


def _controls_of(block: Json, element: Json) -> Iterator[Control]:
    if block["type"] == "input" and not block.get("dispatch_action"):
        return
    ids = {"action_id": element["action_id"], "block_id": block["block_id"], "element": element}
    if element["type"] == "feedback_buttons":
        for button in (element["positive_button"], element["negative_button"]):
            yield Control(label=button["text"]["text"], value=button.get("value"), **ids)
    elif element["type"] in _CHOICES:
        for option in element["options"]:
            yield Control(label=option["text"]["text"], value=option["value"], option=option, **ids)
    elif "text" in element:
        yield Control(label=element["text"]["text"], value=element.get("value"), **ids)


def _pieces(block: Json) -> Iterator[str]:
    match block["type"]:
        case "section":
            for text in [block.get("text"), *(block.get("fields") or [])]:
                yield _plain(text)
        case "context":
            for element in block["elements"]:
                yield element["alt_text"] if element["type"] == "image" else _plain(element)
        case "header" | "markdown":
            yield block["text"] if isinstance(block["text"], str) else _plain(block["text"])
        case "rich_text":
            for element in block["elements"]:
                yield _rich(element)
        case "input":
            yield _plain(block["label"])
        case "image":
            yield block["alt_text"]


def _plain(text: Json | None) -> str:
    if text is None:
        return ""
    return unescaped(text["text"]) if text["type"] == "mrkdwn" else str(text["text"])


def _rich(element: Json) -> str:
    if "elements" in element:
        joint = "\n" if element["type"] == "rich_text_list" else ""
        return joint.join(_rich(inner) for inner in element["elements"])
    if element["type"] == "emoji":
        return f":{element['name']}:"
    return str(element.get("text") or element.get("url") or element.get("user_id") or element.get("fallback") or "")
