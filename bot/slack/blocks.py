"""Cards and sentences as Block Kit, within Slack's limits and unable to call, link or format anything.

Prompts stand in `rich_text_preformatted`, which Slack never parses; everything else is `plain_text` or a rich text's
plain element. Only a message's fallback `text` is parsed by Slack, so it is escaped. Limits are those of
https://docs.slack.dev/reference/block-kit/blocks. It knows no rows and calls nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.actions import mark
from bot.cards import Button, ButtonLook, CandidateCard, Card
from core.characters import readable

Block = Mapping[str, Any]

MAX_BLOCKS = 50  # of a message; a form and the Home tab take 100
MAX_VIEW_BLOCKS = 100
MAX_TEXT_CHARACTERS = 3000  # of a text object; kept for rich text too, for which Slack documents none
MAX_CONTEXT_CHARACTERS = 2000
MAX_BUTTON_CHARACTERS = 75
MAX_BUTTONS = 25
MAX_FALLBACK_CHARACTERS = 4000  # longer ones Slack cuts, or refuses to edit

# What goes with a message to a method of the Web API; only `chat.postMessage` unfurls, and knows how not to.
UNPARSED: Mapping[str, Any] = {"parse": "none", "link_names": False}
QUIET: Mapping[str, Any] = {**UNPARSED, "unfurl_links": False, "unfurl_media": False}

_LOOKS = {ButtonLook.GOOD: "primary", ButtonLook.BAD: "danger"}


def card_blocks(card: Card) -> list[Block]:
    """Return the blocks of a card, at most MAX_BLOCKS."""
    head = [bold(card.title)]
    if card.byline:
        head.append(small(card.byline))
    if card.note:
        head.append(small(card.note))
    if card.lines:
        head.append(plain_section("\n".join(card.lines)))
    tail: list[Block] = []
    if card.candidates and card.buttons:
        tail.append(divider())  # what follows is about all of them
    if card.buttons:
        tail.append(buttons(card.buttons))
    if card.footer:
        tail.append(small(card.footer))
    room = MAX_BLOCKS - len(head) - len(tail)
    return [*head, *_candidates(card.candidates, room), *tail]


def card_message(card: Card) -> dict[str, Any]:
    """Return a card as a message."""
    return message([card.title, *([card.note] if card.note else [])], card_blocks(card))


def message(lines: Sequence[str], blocks: Sequence[Block]) -> dict[str, Any]:
    """Return blocks with the text that notifications and screen readers use in their place."""
    return {"text": escaped("\n".join(lines)), "blocks": list(blocks[:MAX_BLOCKS])}


def sentence(text: str) -> dict[str, Any]:
    """Return one plain sentence as a message."""
    return message([text], [plain_section(text)])


def escaped(text: str) -> str:
    """Return text as Slack's own markup may carry it, cut to MAX_FALLBACK_CHARACTERS without halving an escape."""
    out: list[str] = []
    room = MAX_FALLBACK_CHARACTERS
    for character in readable(text[:MAX_FALLBACK_CHARACTERS]):
        safe = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(character, character)
        room -= len(safe)
        if room < 0:
            break
        out.append(safe)
    return "".join(out) or " "


def clipped(text: str, limit: int) -> str:
    """Return text without unreadable characters, cut to `limit` characters; Slack takes no empty one."""
    clean = readable(text[: 2 * limit]).strip()
    return (clean if len(clean) <= limit else f"{clean[: limit - 1]}…") or " "


def plain_text(text: str, limit: int = MAX_TEXT_CHARACTERS, *, has_emoji: bool = False) -> Block:
    return {"type": "plain_text", "text": clipped(text, limit), "emoji": has_emoji}


def plain_section(text: str) -> Block:
    return {"type": "section", "text": plain_text(text)}


def small(text: str) -> Block:
    return {"type": "context", "elements": [plain_text(text, MAX_CONTEXT_CHARACTERS)]}


def header(text: str) -> Block:
    return {"type": "header", "text": plain_text(text, 150)}


def divider() -> Block:
    return {"type": "divider"}


def bold(text: str) -> Block:
    return _rich_text(_section(text, is_bold=True))


def prompts(texts: Iterable[str], *, title: str | None = None) -> Block:
    """Return one block that shows each text on its own, to be copied; a title stands above in bold."""
    parts = [_preformatted(text) for text in texts]
    return _rich_text(*([_section(title, is_bold=True)] if title else []), *parts)


def verbatim(text: str) -> Block:
    """Return one block of text as it is, neither trimmed nor cut; it must fit and be printable."""
    return _rich_text({"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]})


def button(label: str, action_id: str, *, value: str | None = None, style: str | None = None) -> Block:
    """Return one button; `value` comes back with the press."""
    made: dict[str, Any] = {
        "type": "button",
        "action_id": action_id,
        "text": plain_text(label, MAX_BUTTON_CHARACTERS, has_emoji=True),
    }
    if value is not None:
        made["value"] = value
    if style is not None:
        made["style"] = style
    return made


def actions(elements: Sequence[Block]) -> Block:
    return {"type": "actions", "elements": list(elements[:MAX_BUTTONS])}


def buttons(row: Sequence[Button]) -> Block:
    """Return a row of a card's buttons; the mark is each one's `action_id`, which tells them apart within the row."""
    return actions([_card_button(button) for button in row])


def _candidates(cards: Sequence[CandidateCard], room: int) -> list[Block]:
    blocks: list[Block] = []
    for card in cards:
        pair = [_rich_text(_section(f"{card.rank}."), _preformatted(card.prompt))]
        if card.buttons:
            pair.append(buttons(card.buttons))
        if len(blocks) + len(pair) > room:
            break
        blocks.extend(pair)
    return blocks


def _card_button(card_button: Button) -> Block:
    press = mark(card_button.action, card_button.target_id)
    return button(card_button.label, press, value=press, style=_LOOKS.get(card_button.look))


def _rich_text(*elements: Block) -> Block:
    return {"type": "rich_text", "elements": list(elements)}


def _section(text: str, *, is_bold: bool = False) -> Block:
    element: dict[str, Any] = {"type": "text", "text": clipped(text, MAX_TEXT_CHARACTERS)}
    if is_bold:
        element["style"] = {"bold": True}
    return {"type": "rich_text_section", "elements": [element]}


def _preformatted(text: str) -> Block:
    element = {"type": "text", "text": clipped(text, MAX_TEXT_CHARACTERS)}
    return {"type": "rich_text_preformatted", "elements": [element]}
