"""What happened a moment ago, in memory and bounded: double clicks, used triggers, and who looked at their Home tab."""

import time

from bot.slack.clients import Workspace

DOUBLE_CLICK_SECONDS = 2.0
MAX_PRESSES = 4096
MAX_HOMES = 10_000
MAX_TRIGGERS = 4096


class RecentPresses:
    """Tells the second press of somebody who presses twice in a row, where each press would ask anew."""

    def __init__(self) -> None:
        self._pressed_at: dict[tuple[str, ...], float] = {}

    def is_double(self, *press: str) -> bool:
        """Remember a press; tell whether the same one came a moment before."""
        now, before = time.monotonic(), self._pressed_at.pop(press, None)
        self._pressed_at[press] = now
        while len(self._pressed_at) > MAX_PRESSES:
            del self._pressed_at[next(iter(self._pressed_at))]
        return before is not None and now - before < DOUBLE_CLICK_SECONDS


class UsedTriggers:
    """The trigger ids that opened a form: a repeated request must not open it again, and Slack would refuse."""

    def __init__(self) -> None:
        self._used: dict[str, None] = {}

    def is_new(self, trigger_id: str) -> bool:
        """Remember a trigger id; tell whether it is the first time."""
        is_new = trigger_id not in self._used
        self._used[trigger_id] = None
        while len(self._used) > MAX_TRIGGERS:
            del self._used[next(iter(self._used))]
        return is_new


class KnownHomes:
    """The people whose Home tab is worth drawing again, because they looked at it since the bot started."""

    def __init__(self) -> None:
        self._known: dict[tuple[Workspace, str], None] = {}

    def add(self, workspace: Workspace, user_id: str) -> None:
        self._known.pop((workspace, user_id), None)
        self._known[workspace, user_id] = None
        while len(self._known) > MAX_HOMES:
            del self._known[next(iter(self._known))]

    def has(self, workspace: Workspace, user_id: str) -> bool:
        return (workspace, user_id) in self._known
