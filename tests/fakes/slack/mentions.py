"""Which characters of a text Slack would read as a mention or as markup; pure.

It does not know blocks or messages: `limits` walks those and hands every parsed text over.
"""

import re
from collections.abc import Iterator

_SPECIAL = re.compile(r"<(?:!(?:channel|here|everyone|group)\b|!subteam\^|@[UW])[^<>]*>")
_LINK = re.compile(r"<(?:https?://|mailto:)[^<>|\s]+(?:\|[^<>]*)?>|<!date\^[^<>]+>")


def mention_problems(text: str) -> Iterator[str]:
    """Yield one sentence for each mention that Slack would carry out."""
    for match in _SPECIAL.finditer(text):
        yield f"the text contains the unescaped mention {match[0]}"


def markup_problems(text: str) -> Iterator[str]:
    """Yield one sentence for each unescaped mention, and one for other unescaped `<` and `>` that are no link."""
    yield from mention_problems(text)
    rest = _LINK.sub("", _SPECIAL.sub("", text))
    for character in "<>":
        if character in rest:
            yield f"the text contains an unescaped {character}: {rest[:60]!r}"


def unescaped(text: str) -> str:
    """Return `text` as a person reads it."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escaped(text: str) -> str:
    """Return `text` as Slack hands over what a person wrote."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
