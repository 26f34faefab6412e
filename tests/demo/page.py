"""The pages that the conversations are drawn on: one frame for each platform, side by side or alone.

It escapes text and knows fonts and frames; what is in a message is drawn by discord_drawing and slack_drawing.
"""

import html
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STYLES = Path(__file__).parent / "styles"
EYE = (
    '<svg class="eye" viewBox="0 0 24 24"><path d="M12 5C6.5 5 2.7 9.2 1 12c1.7 2.8 5.5 7 11 7s9.3-4.2 11-7'
    'c-1.7-2.8-5.5-7-11-7zm0 11.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9z"/></svg>'
)
COLORS = ("#3ba55d", "#d97706", "#8b5cf6", "#0e7490")  # of people's pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One platform's drawing, in pieces of HTML; `highlights` are those for a small picture."""

    platform: str
    place: str
    channel: str
    pieces: Sequence[str]
    highlights: Sequence[str]


def escaped(text: str) -> str:
    """Return plain text as HTML."""
    return html.escape(text, quote=True)


def page_html(frames: Sequence[str], *, column_width: int) -> str:
    """Return a page with the frames in one row; `column_width` is that of each, in CSS pixels."""
    style = "\n".join((STYLES / f"{name}.css").read_text() for name in ("page", "discord", "slack"))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><style>{style}</style>'
        f'<main style="--column: {column_width}px">{"".join(frames)}</main></html>'
    )


def narration_html(text: str) -> str:
    """Return one line between the messages about what people do."""
    return f'<p class="narration"><span>{escaped(text)}</span></p>'


def picture_html(name: str, *, is_bot: bool) -> str:
    """Return the little picture beside a name."""
    if is_bot:
        return '<i class="picture bot">mj</i>'
    color = COLORS[sum(map(ord, name)) % len(COLORS)]
    return f'<i class="picture" style="background:{color}">{escaped(name[:1].upper())}</i>'


def clock_text(seconds: float) -> str:
    """Return a time of day as both platforms write it in English."""
    return time.strftime("%I:%M %p", time.localtime(seconds)).lstrip("0")


def frame_html(conversation: Conversation, pieces: Sequence[str]) -> str:
    """Return pieces of a conversation in its platform's window."""
    channel = escaped(conversation.channel)
    return (
        f'<section class="{conversation.platform}">'
        f"<header><b>{escaped(conversation.place)}</b><span># {channel}</span></header>"
        f'<div class="messages">{"".join(pieces)}</div>'
        f"<footer>Message #{channel}</footer></section>"
    )
