"""The limits of messages and views, and of the blocks in them; pure.

Each function yields or returns sentences, none when all is well. Sources: docs.slack.dev, and the constants in
slack_sdk/models/blocks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.fakes.slack.elements import (
    ACTION_ELEMENTS,
    INPUT_ELEMENTS,
    MAX_ID,
    SECTION_ELEMENTS,
    element_problems,
    image_problems,
    text_problems,
    too_long,
)
from tests.fakes.slack.mentions import markup_problems, mention_problems

Json = Mapping[str, Any]

MAX_MESSAGE_TEXT = 40_000
MAX_BLOCKS = {"message": 50, "modal": 100, "home": 100}
MAX_TITLE = 24
MAX_PRIVATE_METADATA = 3000
MAX_MARKDOWN = 12_000

_EVERYWHERE = {"actions", "context", "divider", "header", "image", "input", "rich_text", "section", "video"}
_BLOCKS = {
    "message": _EVERYWHERE | {"context_actions", "file", "markdown", "table"},
    "modal": _EVERYWHERE,
    "home": _EVERYWHERE,
}
_RICH_CONTAINERS = {"rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"}
_RICH_LEAVES = {"text", "link", "emoji", "user", "channel", "date", "color", "team"}
_ANY_TEXT = ("plain_text", "mrkdwn")


def message_problems(text: object, blocks: object) -> list[str]:
    """Return what Slack would refuse in a message, and what would ping somebody."""
    problems = list(too_long("a message's text", text, MAX_MESSAGE_TEXT))
    if isinstance(text, str):
        problems += markup_problems(text)
    if blocks:
        problems += block_problems(blocks, "message")
    return problems


def view_problems(view: object) -> list[str]:
    """Return what Slack would refuse in a modal or a home tab, and what would ping somebody."""
    if not isinstance(view, Mapping) or view.get("type") not in ("modal", "home"):
        return [f"a view must be an object of the type modal or home, not {view!r:.80}"]
    problems = list(too_long("private_metadata", view.get("private_metadata"), MAX_PRIVATE_METADATA))
    problems += too_long("a callback_id", view.get("callback_id"), MAX_ID)
    problems += too_long("an external_id", view.get("external_id"), MAX_ID)
    if view["type"] == "modal":
        problems += _frame_problems(view)
    return problems + block_problems(view.get("blocks"), view["type"])


def block_problems(blocks: object, surface: str) -> list[str]:
    """Return what is wrong with a list of blocks on "message", "modal" or "home"."""
    if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
        return [f"blocks must be a list of objects, not {blocks!r:.80}"]
    problems = []
    if len(blocks) > MAX_BLOCKS[surface]:
        problems.append(f"a {surface} has {len(blocks)} blocks; the limit is {MAX_BLOCKS[surface]}")
    problems += _repeated("block_id", (block.get("block_id") for block in blocks))
    for block in blocks:
        if block.get("type") in _BLOCKS[surface]:
            problems += _block_problems(block)
        else:
            problems.append(f"a block of the type {block.get('type')!r} is not allowed in a {surface}")
    markdown = sum(len(block.get("text") or "") for block in blocks if block.get("type") == "markdown")
    if markdown > MAX_MARKDOWN:
        problems.append(f"the markdown blocks have {markdown} characters; the limit is {MAX_MARKDOWN}")
    return problems


def _frame_problems(view: Json) -> Iterator[str]:
    yield from text_problems("a modal's title", view.get("title"), MAX_TITLE)
    for name in ("submit", "close"):
        if view.get(name) is not None:
            yield from text_problems(f"a modal's {name}", view[name], MAX_TITLE)
    has_inputs = any(isinstance(block, Mapping) and block.get("type") == "input" for block in view.get("blocks") or [])
    if has_inputs and view.get("submit") is None:
        yield "a modal with input blocks has no submit"


def _repeated(what: str, ids: Iterable[object]) -> Iterator[str]:
    for value, count in Counter(value for value in ids if value is not None).items():
        if count > 1:
            yield f"the {what} {value!r} is used {count} times"


def _block_problems(block: Json) -> Iterator[str]:
    kind = block["type"]
    yield from too_long("a block_id", block.get("block_id"), MAX_ID)
    elements = _elements_of(block)
    ids = (element.get("action_id") for element in elements if isinstance(element, Mapping))
    yield from _repeated(f"action_id within one {kind} block", ids)
    match kind:
        case "actions":
            yield from _row_problems(kind, elements, 25, ACTION_ELEMENTS)
        case "context_actions":
            yield from _row_problems(kind, elements, 5, {"feedback_buttons", "icon_button"})
        case "context":
            yield from _context_problems(elements)
        case "header":
            yield from text_problems("a header", block.get("text"), 150)
        case "section":
            yield from _section_problems(block)
        case "input":
            yield from _input_problems(block)
        case "image":
            yield from image_problems(block)
        case "markdown":
            yield from mention_problems(str(block.get("text") or ""))
        case "rich_text":
            for element in elements:
                yield from _rich_problems(element)


def _elements_of(block: Json) -> list[Any]:
    single = {"section": "accessory", "input": "element"}.get(block["type"])
    if single is not None:
        return [block[single]] if block.get(single) is not None else []
    elements = block.get("elements")
    return elements if isinstance(elements, list) else []


def _row_problems(kind: str, elements: list[Any], limit: int, allowed: Iterable[str]) -> Iterator[str]:
    if not 1 <= len(elements) <= limit:
        yield f"a {kind} block has {len(elements)} elements; it takes 1 to {limit}"
    for element in elements:
        yield from element_problems(element, set(allowed))


def _context_problems(elements: list[Any]) -> Iterator[str]:
    if not 1 <= len(elements) <= 10:
        yield f"a context block has {len(elements)} elements; it takes 1 to 10"
    for element in elements:
        if isinstance(element, Mapping) and element.get("type") == "image":
            yield from image_problems(element)
        else:
            yield from text_problems("a context text", element, 3000, kinds=_ANY_TEXT)


def _section_problems(block: Json) -> Iterator[str]:
    fields = block.get("fields") or []
    if block.get("text") is None and not fields:
        yield "a section has neither text nor fields"
    if block.get("text") is not None:
        yield from text_problems("a section's text", block["text"], 3000, kinds=_ANY_TEXT)
    if len(fields) > 10:
        yield f"a section has {len(fields)} fields; the limit is 10"
    for field in fields:
        yield from text_problems("a section's field", field, 2000, kinds=_ANY_TEXT)
    if block.get("accessory") is not None:
        yield from element_problems(block["accessory"], SECTION_ELEMENTS)


def _input_problems(block: Json) -> Iterator[str]:
    yield from text_problems("an input's label", block.get("label"), 2000)
    if block.get("hint") is not None:
        yield from text_problems("an input's hint", block["hint"], 2000)
    yield from element_problems(block.get("element"), INPUT_ELEMENTS)


def _rich_problems(element: object) -> Iterator[str]:
    kind = element.get("type") if isinstance(element, Mapping) else None
    if not isinstance(element, Mapping) or kind not in _RICH_CONTAINERS | _RICH_LEAVES | {"broadcast", "usergroup"}:
        yield f"a rich_text block contains {element!r:.80}"
    elif kind in ("broadcast", "usergroup"):
        yield f"a rich_text block pings by an element of the type {kind}"
    elif kind in _RICH_CONTAINERS:
        for inner in element.get("elements") or []:
            yield from _rich_problems(inner)
    elif kind == "text" and not element.get("text"):
        yield "a rich_text block contains an empty text"
