"""What the buttons of private lists, panels and the Home tab do, beside those of a card (bot/actions.py).

The verb is the button's `action_id`, with the same version in front; what it is about is the button's value.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from bot.actions import MARK_VERSION
from core.errors import NotFound

VERB_PATTERN = re.compile(rf"\A{MARK_VERSION}:[a-z_]{{2,20}}\Z")  # Bolt searches, so it is anchored
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


class Verb(StrEnum):
    """One meaning a button."""

    HISTORY = f"{MARK_VERSION}:history"  # the first page
    HISTORY_OLDER = f"{MARK_VERSION}:history_older"  # value: the request to go on behind
    FAVORITES = f"{MARK_VERSION}:favorites"  # the first page
    FAVORITES_OLDER = f"{MARK_VERSION}:favorites_older"  # value: the candidate to go on behind
    SHOW = f"{MARK_VERSION}:show"  # value: a request
    UNSAVE = f"{MARK_VERSION}:unsave"  # value: a candidate
    CANCEL_ALL = f"{MARK_VERSION}:cancel_all"
    ALLOW = f"{MARK_VERSION}:allow_learning"
    FORBID = f"{MARK_VERSION}:forbid_learning"
    EXPORT = f"{MARK_VERSION}:export"
    FORGET = f"{MARK_VERSION}:forget"  # opens the question
    RETRAIN = f"{MARK_VERSION}:retrain"  # opens the question, as the next one does
    CANCEL_RETRAIN = f"{MARK_VERSION}:cancel_retrain"
    SETTINGS = f"{MARK_VERSION}:settings"  # opens the form


def read_verb(action: Mapping[str, Any]) -> tuple[Verb, str | None]:
    """Return the verb and the id that a button carries, None for none.

    Raises:
        NotFound: it is no button of this version, or carries something else than an id.
    """
    name, value = action.get("action_id"), action.get("value")
    is_id = value is None or (isinstance(value, str) and _ID.fullmatch(value) is not None)
    if name not in {verb.value for verb in Verb} or not is_id:
        raise NotFound("This button is from another version of the bot; use the command again to get new ones.")
    return Verb(name), value
