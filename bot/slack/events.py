"""Ids by which a repeated command, press, form or event is told from a new one.

Slack sends some things again under a new envelope, and people press twice: the id is made of what stays the same.
"""

import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MAX_ID_CHARACTERS = 160  # storage keeps up to 200


def command_id(team_id: str, body: Mapping[str, Any]) -> str:
    """Name one typed slash command, or one shortcut: Slack gives each its own trigger."""
    return _short(f"{team_id}:{body.get('trigger_id', '')}")


def press_id(team_id: str, user_id: str, body: Mapping[str, Any], action: Mapping[str, Any]) -> str:
    """Name one press of one button of one message by one person."""
    place = body.get("container") or {}
    where = place.get("message_ts") or place.get("view_id") or ""
    return _short(f"{team_id}:{user_id}:{action.get('action_id', '')}:{action.get('action_ts', '')}:{where}")


def form_id(team_id: str, body: Mapping[str, Any]) -> str:
    """Name one form that was sent; a form that was refused keeps its id until it is taken."""
    view = body.get("view") or {}
    return _short(f"{team_id}:view:{view.get('id', '')}")


def pressed_at(action: Mapping[str, Any]) -> datetime | None:
    """Return when a button was pressed, None when Slack does not say."""
    try:
        return datetime.fromtimestamp(float(action["action_ts"]), tz=UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def told_at(body: Mapping[str, Any]) -> float:
    """Return when Slack made an event, in seconds since 1970; an event that does not say is taken for a new one."""
    moment = body.get("event_time")
    return float(moment) if isinstance(moment, int | float) else math.inf


def _short(text: str) -> str:
    if len(text) <= MAX_ID_CHARACTERS:
        return text
    return f"{text[:80]}:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"
