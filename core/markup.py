"""What chat platforms turn into more than text: mentions, links, code marks.

Prompts are shown as plain text, yet they are pasted elsewhere too: a backtick could end the code block that a prompt
is shown in, a spoiler could hide it, a mention could call people, a link could lead them away. What a person types is
refused with one sentence; what a model writes loses mentions, links and backticks.
"""

import re

_MENTION = re.compile(
    r"<(?:[@#!][^<>\s]*|id:\w+|a?:\w+:[0-9]+|t:-?[0-9]+(?::\w)?|/[^<>]+:[0-9]+"
    r"|(?:https?|mailto|tel|slack):[^<>|]*\|[^<>]*)>"
    r"|@(?:everyone|here|channel)\b",
    re.IGNORECASE,
)
_FORMATTING = re.compile(
    r"`+[^`]*`*"  # code
    r"|\*\*[^*]*\**|__[^_]*_*|~~[^~]*~*|\|\|[^|]*\|*"  # bold, underlined, struck out, hidden
    r"|!?\[[^\[\]]*\]\([^()]*\)"  # a titled link
    r"|^(?:#{1,6}|-#|>{1,3})(?= )"  # a heading, a small line, a quotation
    r"|<\|[^<>|]*\|>"  # a special token
)
_LINK = re.compile(
    r"<?(?:\b[a-z][a-z0-9+.-]*://|\bwww\.|\bmailto:(?=\S))[^\s<>]*>?"
    r"|\bdiscord(?:\.gg|(?:app)?\.com/invite)/[^\s<>]*",
    re.IGNORECASE,
)


def find_formatting(text: str) -> str | None:
    """Return the first formatting mark of Markdown (or of the model's own template) with what it marks, or None."""
    match = _FORMATTING.search(text)
    return match.group() if match else None


def find_mention(text: str) -> str | None:
    """Return the first mention, emoji tag or titled link of Discord or Slack, or None."""
    match = _MENTION.search(text)
    return match.group() if match else None


def find_link(text: str) -> str | None:
    """Return the first web link or server invitation, or None."""
    match = _LINK.search(text)
    return match.group() if match else None


def without_code_marks(text: str) -> str:
    """Return `text` without backticks, the one mark that could end a code block around it."""
    return text.replace("`", "")


def plain_words(text: str) -> str:
    """Return `text` without mentions, links and backticks, with single spaces."""
    return " ".join(_LINK.sub(" ", _MENTION.sub(" ", without_code_marks(text))).split())
