"""Which characters a person can see and so may type, and how a value is shown in a message.

It knows Unicode, not prompts.
"""

import unicodedata

MAX_SHOWN_CHARACTERS = 40

_ZERO_WIDTH_JOINERS = "\u200c\u200d"
_EMOJI_STYLES = "\ufe0e\ufe0f"
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_SELECTOR_RANGES = ((0x180B, 0x180F), (0xFE00, 0xFE0D), (0xE0100, 0xE01EF))
_JOINING_SCRIPTS = ((0x0600, 0x0DFF), (0x1000, 0x109F), (0x1780, 0x17FF))  # Arabic to Sinhala, Myanmar, Khmer
_EMOJI_PLANE = (0x1F000, 0x1FAFF)  # holds emoji that are newer than Python's tables
_WHITE_CONTROLS = "\t\n\r"


def unreadable_character(text: str) -> str | None:
    """Say what the first character is that nobody can see or store; None if all are fine.

    Joiners and style selectors count as readable where emoji or a joining script use them.
    """
    for place, mark in enumerate(text):
        if not mark.isascii() or not mark.isprintable():
            kind = _unreadable_kind(text, place)
            if kind:
                return f"{kind} (U+{ord(mark):04X})"
    return None


def readable(text: str) -> str:
    """Return `text` without its unreadable characters."""
    return "".join(mark for place, mark in enumerate(text) if not _unreadable_kind(text, place))


def shown(value: str) -> str:
    """Return a value as a message may carry it: at most MAX_SHOWN_CHARACTERS, printable, no backticks."""
    flat = " ".join(value[: MAX_SHOWN_CHARACTERS * 4].split())
    cut = flat if len(flat) <= MAX_SHOWN_CHARACTERS else f"{flat[: MAX_SHOWN_CHARACTERS - 1]}…"
    return "".join(mark if mark.isprintable() else f"\\u{ord(mark):04x}" for mark in cut).replace("`", "'")


def _unreadable_kind(text: str, place: int) -> str | None:
    mark = text[place]
    category = unicodedata.category(mark)
    if mark in _WHITE_CONTROLS or category == "Zs":
        return None
    if category == "Cs":
        return "half of a character"
    if category == "Cc":
        return "a control character"
    if mark in _BIDI_CONTROLS:
        return "a text-direction character"
    if mark == "\ufffd" or category == "Co" or _is_noncharacter(mark):
        return "an unreadable character"
    return "an invisible character" if _is_invisible(text, place, category) else None


def _is_invisible(text: str, place: int, category: str) -> bool:
    mark = text[place]
    if mark in _ZERO_WIDTH_JOINERS:
        return not _joins(text, place)
    if mark in _EMOJI_STYLES:
        before = text[place - 1] if place else " "
        return before.isspace() or (before.isascii() and before.isalpha()) or before in _EMOJI_STYLES
    return category in ("Cf", "Zl", "Zp") or mark in _INVISIBLE_LETTERS or _is_within(mark, _SELECTOR_RANGES)


def _joins(text: str, place: int) -> bool:
    """Say whether a joiner stands between two emoji, or after a letter of a joining script."""
    before = text[:place].rstrip(_EMOJI_STYLES)[-1:] or " "
    after = text[place + 1 : place + 2] or " "
    if _is_within(before, _JOINING_SCRIPTS):
        return _is_within(after, _JOINING_SCRIPTS)
    return text[place] == "\u200d" and _is_emoji(before) and _is_emoji(after)


def _is_emoji(mark: str) -> bool:
    return _is_within(mark, (_EMOJI_PLANE,)) or unicodedata.category(mark) == "So" or mark in "\u2194\u2195"


def _is_noncharacter(mark: str) -> bool:
    return ord(mark) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(mark) <= 0xFDEF


def _is_within(mark: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= ord(mark) <= last for first, last in ranges)
