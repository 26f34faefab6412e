"""What the custom_id of a list's or a panel's button says, beside the marks of bot/actions.py.

Every mark carries a version, so that buttons of any age work or are refused in words. The patterns exclude each other,
because discord.py runs each one that matches.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import discord

from bot.actions import MARK_PATTERN, MARK_VERSION

NO_ARGUMENT = "-"
FIRST_PAGE = "first"

_ULID = "[0-9A-HJKMNP-TV-Z]{26}"
PAGE_PATTERN = rf"mj1p:(?P<list>[a-z]{{2,20}}):(?P<before>{FIRST_PAGE}|{_ULID})"
CONTROL_PATTERN = r"mj1c:(?P<control>[a-z_]{2,30}):(?P<argument>[0-9A-Za-z._-]{1,60})"
STALE_PATTERN = rf"(?!(?:{MARK_PATTERN}|{PAGE_PATTERN}|{CONTROL_PATTERN})\Z)[\s\S]*"


class Page(StrEnum):
    """A list that is shown a page at a time."""

    HISTORY = "history"
    FAVORITES = "favorites"


class ControlName(StrEnum):
    """One meaning a control; the argument is said where there is one."""

    SHOW = "show"  # request: its whole card, for the person alone
    QUEUE = "queue"
    PRIVACY = "privacy"
    EXPORT = "export"
    CONSENT = "consent"
    NO_CONSENT = "no_consent"
    FORGET = "forget"  # asks whether to delete everything
    FORGET_SURELY = "forget_surely"
    RETRAIN = "retrain"  # the interaction that asked for confirmation
    CANCEL_RETRAIN = "cancel_retrain"  # that interaction
    PROMOTE = "promote"  # that interaction and the adapter, with a dot between them
    ROLLBACK = "rollback"  # that interaction
    CLOSE = "close"


def page_mark(page: Page, before: str | None = None) -> str:
    """Return the custom_id of a button that shows a page: the newest one, or what is older than `before`."""
    return f"mj1p:{page}:{before or FIRST_PAGE}"


def control_mark(name: ControlName, argument: str = NO_ARGUMENT) -> str:
    """Return the custom_id of a control; `argument` has at most 60 letters, digits, dots, dashes or underscores."""
    return f"mj1c:{name}:{argument}"


def custom_ids_of(message: discord.Message) -> frozenset[str]:
    """Return the custom_ids of a message's buttons."""
    return frozenset(_custom_ids(message.components))


def is_card(message: discord.Message) -> bool:
    """Tell whether a message shows one card of bot/cards.py rather than a list or a panel of ours."""
    return all(custom_id.startswith(f"{MARK_VERSION}:") for custom_id in custom_ids_of(message))


def is_pressed_on_its_own(interaction: discord.Interaction) -> bool:
    """Tell whether the message that was pressed on shows the pressed button: only then may the press change it."""
    data: Any = interaction.data or {}
    return interaction.message is not None and data.get("custom_id") in custom_ids_of(interaction.message)


def _custom_ids(components: object) -> Iterator[str]:
    for component in components if isinstance(components, (list, tuple)) else ():
        custom_id = getattr(component, "custom_id", None)
        if isinstance(custom_id, str):
            yield custom_id
        yield from _custom_ids(getattr(component, "children", ()))
