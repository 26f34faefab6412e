"""The commands by name, and slash commands as typed into a chat that has no command menu of its own.

core/idea.py drops our own command from an idea; here only commands that nobody has are told from ideas. Titles and
descriptions are in the catalogs under [commands.<name>].
"""

import re
from enum import StrEnum

from core.errors import InvalidIdea


class Command(StrEnum):
    """One meaning a command, the same name on every platform."""

    MJPROMPT = "mjprompt"  # ask
    HISTORY = "history"  # own requests, page by page
    FAVORITES = "favorites"  # saved candidates, page by page
    QUEUE = "queue"  # own open requests, and how long the line is
    CANCEL = "cancel"  # take all own open requests back
    PRIVACY = "privacy"  # view, export, consent, delete
    MODEL = "model"  # what serves; promote and roll back for operators
    RETRAIN = "retrain"  # operators
    SETTINGS = "settings"  # workspace admins


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
