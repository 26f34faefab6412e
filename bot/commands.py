"""Slash commands as typed into a chat that has no command menu of its own.

core/idea.py drops our own command from an idea; here only commands that nobody has are told from ideas.
"""

import re

from core.errors import InvalidIdea

KNOWN_COMMANDS = frozenset({"mjprompt", "imagine"})  # Midjourney's own comes along with pasted prompts
_SLASH_WORD = re.compile(r"\s*/([A-Za-z][A-Za-z0-9_-]{0,31})(?=\s|$)")


def require_known_command(text: str) -> None:
    """Check that `text` begins with one of our slash commands, or with none.

    Raises:
        InvalidIdea: it begins with some other one, which would end up inside the prompt.
    """
    match = _SLASH_WORD.match(text)
    if match is not None and match[1].lower() not in KNOWN_COMMANDS:
        raise InvalidIdea(f"There is no command /{match[1]} here; type /mjprompt and your idea, or the idea by itself.")
