"""What a button does, and how that is written into a Discord custom_id or a Slack action_id.

The mark carries a version: buttons of old messages keep working, or are refused in words, whatever later versions do.
It carries an id and nothing else: what somebody may do is looked up when they press.
"""

import re
from enum import StrEnum

from core.errors import NotFound

MARK_VERSION = "mj1"
MARK_PATTERN = r"mj1:(?P<action>[a-z_]{2,20}):(?P<target>[0-9A-HJKMNP-TV-Z]{26})"
_MARK = re.compile(MARK_PATTERN)


class Action(StrEnum):
    """One meaning a button; the target is a candidate, or a request where that is said."""

    UP = "up"
    DOWN = "down"
    EXPLAIN = "explain"  # opens the form after a 👎: reason and a better prompt
    VARY = "vary"
    SAVE = "save"  # again = no longer saved
    SHARE = "share"
    REMIX = "remix"  # request: opens a form with the idea
    REROLL = "reroll"  # request
    DELETE = "delete"  # request
    CANCEL = "cancel"  # request


def mark(action: Action, target_id: str) -> str:
    """Return `mj1:up:01J…`, at most 51 characters."""
    return f"{MARK_VERSION}:{action}:{target_id}"


def read_mark(text: str) -> tuple[Action, str]:
    """Return the action and the id of its target.

    Raises:
        NotFound: it is no mark of this version.
    """
    match = _MARK.fullmatch(text)
    if match is None or match["action"] not in {action.value for action in Action}:
        raise NotFound("This button is from another version of the bot; ask again to get new ones.")
    return Action(match["action"]), match["target"]
