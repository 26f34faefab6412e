"""A message, a form or the Home tab of the fake Slack as HTML: its blocks, and who may see it.

It draws what the bot sent and nothing else; looks are in styles/slack.css.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.demo.page import EYE, clock_text, escaped, picture_html
from tests.fakes.slack.mentions import unescaped
from tests.fakes.slack.messages import Message
from tests.fakes.slack.views import View

Json = Mapping[str, Any]
ONLY_YOU = f'<p class="only-you">{EYE} Only visible to you</p>'


def message_html(message: Message) -> str:
    """Draw a message as it is now."""
    author = message.author
    tag = '<em class="tag">APP</em>' if author.is_bot else ""
    body = _blocks(message.blocks) if message.blocks else f"<p>{escaped(unescaped(message.fallback))}</p>"
    return (
        f'<article class="message{" private" if message.is_ephemeral else ""}">'
        f"{ONLY_YOU if message.is_ephemeral else ''}{picture_html(author.name, is_bot=author.is_bot)}"
        f'<div class="body"><h4>{escaped(author.name)} {tag}<time>{clock_text(message.posted_at)}</time></h4>'
        f"{body}</div></article>"
    )


def form_html(view: View, answers: Mapping[str, str]) -> str:
    """Draw a form with what a person filled in; the keys of `answers` are block_ids."""
    submit = view.content.get("submit")
    sending = f'<b class="button primary">{escaped(submit["text"])}</b>' if submit else ""
    close = (view.content.get("close") or {"text": "Close"})["text"]
    blocks = "".join(_block(block, answers.get(block["block_id"])) for block in view.blocks)
    return (
        f'<article class="form"><h3>{escaped(view.title)}<span>✕</span></h3><div class="fields">{blocks}</div>'
        f'<div class="row end"><b class="button">{escaped(close)}</b>{sending}</div></article>'
    )


def home_html(view: View, *, num_parts: int) -> str:
    """Draw the Home tab's upper parts, which dividers part."""
    dividers = [number for number, block in enumerate(view.blocks) if block["type"] == "divider"]
    end = dividers[num_parts - 1] if len(dividers) >= num_parts else None
    nav = "<nav><b>Home</b><span>Messages</span><span>About</span></nav>"
    return f'<article class="home">{nav}{_blocks(view.blocks[:end])}</article>'


def _blocks(blocks: Iterable[Json]) -> str:
    return "".join(_block(block, None) for block in blocks)


def _block(block: Json, answer: str | None) -> str:
    match block["type"]:
        case "header":
            return f"<h2>{_text(block['text'])}</h2>"
        case "section":
            return f"<p>{_text(block['text'])}</p>" + _element(block.get("accessory"))
        case "context":
            return f"<small>{' '.join(map(_text, block['elements']))}</small>"
        case "divider":
            return "<hr>"
        case "rich_text":
            return "".join(map(_rich, block["elements"]))
        case "actions":
            return f'<div class="row">{"".join(map(_element, block["elements"]))}</div>'
        case "input":
            optional = " <i>(optional)</i>" if block.get("optional") else ""
            return f"<label>{_text(block['label'])}{optional}</label>{_input(block['element'], answer)}"
        case other:
            raise ValueError(f"No drawing of the block {other!r} is known.")


def _text(text: Json) -> str:
    return escaped(unescaped(text["text"]) if text["type"] == "mrkdwn" else text["text"])


def _rich(element: Json) -> str:
    inside = "".join(map(_rich_piece, element["elements"]))
    return f"<pre>{inside}</pre>" if element["type"] == "rich_text_preformatted" else f"<p>{inside}</p>"


def _rich_piece(piece: Json) -> str:
    text = escaped(str(piece.get("text", "")))
    return f"<strong>{text}</strong>" if (piece.get("style") or {}).get("bold") else text


def _element(element: Json | None) -> str:
    if element is None:
        return ""
    return f'<b class="button {element.get("style", "")}">{_text(element["text"])}</b>'


def _input(element: Json, answer: str | None) -> str:
    if element["type"] == "plain_text_input":
        return f'<div class="input">{escaped(answer or element.get("initial_value", ""))}</div>'
    return "".join(
        f'<p class="radio {"on" if option["value"] == answer else ""}"><i></i>{_text(option["text"])}</p>'
        for option in element["options"]
    )
