"""How text is written so that Discord shows it as it is: pure functions from plain text to its Markdown.

Outside code blocks every mark is escaped and nothing can call anybody; inside one, nothing can end the block. Lengths
are counted in UTF-16 units, which is never less than how Discord counts. It knows no cards and no components.
"""

from core.characters import readable

_FENCE = "```"
_ELLIPSIS = "…"
_NOTHING = "…"  # a code block of nothing would show its own backticks
_MARKS = frozenset("\\*_~|`>#-+[]()!")  # Markdown, quotations, headings, lists, links, mentions, spoilers
_HARMLESS = {"@": "@\u200b", "<": "\\<\u200b"}  # begin no mention, even for a reader who does not know escapes
_APOSTROPHE_FOR_BACKTICK = str.maketrans({"`": "'"})


def size(text: str) -> int:
    """Return the length of `text` in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def escaped(text: str, limit: int | None = None) -> str:
    """Return `text` on one line, escaped for outside code blocks, at most `limit` units long with a final ellipsis."""
    pieces = [_escaped_mark(mark) for mark in _one_line(text)]
    whole = "".join(pieces).replace("://", "\\://")
    if limit is None or size(whole) <= limit:
        return whole
    return _cut(pieces, limit)


def fenced(text: str) -> str:
    """Return `text` in a code block of its own, whole, on one line."""
    inside = _one_line(text).translate(_APOSTROPHE_FOR_BACKTICK)
    return f"{_FENCE}\n{inside or _NOTHING}\n{_FENCE}"


def shortened(text: str, limit: int) -> str:
    """Return unescaped `text`, for labels and form fields, at most `limit` units long with a final ellipsis."""
    return text if size(text) <= limit else _cut(list(text), limit)


def _one_line(text: str) -> str:
    return " ".join(readable(text).split())


def _escaped_mark(mark: str) -> str:
    return _HARMLESS.get(mark) or (f"\\{mark}" if mark in _MARKS else mark)


def _cut(pieces: list[str], limit: int) -> str:
    """Join as many whole pieces as fit in front of an ellipsis; a link loses its colon, which needs no room."""
    room, kept = limit - size(_ELLIPSIS), ""
    for piece in pieces:
        if size(kept) + size(piece) > room:
            break
        kept += piece
    return (kept.replace("://", " //") + _ELLIPSIS)[:limit]
