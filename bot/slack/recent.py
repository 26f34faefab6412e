"""What Slack's side remembers for a while: used triggers, and who looked at their Home tab."""

from bot.recent import Recent
from bot.slack.clients import Workspace

MAX_HOMES = 10_000
MAX_TRIGGERS = 4096


class UsedTriggers:
    """The trigger ids that opened a form: a repeated request must not open it again, and Slack would refuse."""

    def __init__(self) -> None:
        self._used: Recent[str, bool] = Recent(MAX_TRIGGERS)

    def is_new(self, trigger_id: str) -> bool:
        """Remember a trigger id; tell whether it is the first time."""
        return self._used.remember(trigger_id, True) is None


class KnownHomes:
    """The people whose Home tab is worth drawing again, because they looked at it since the bot started."""

    def __init__(self) -> None:
        self._known: Recent[tuple[Workspace, str], bool] = Recent(MAX_HOMES)

    def add(self, workspace: Workspace, user_id: str) -> None:
        self._known.remember((workspace, user_id), True)

    def has(self, workspace: Workspace, user_id: str) -> bool:
        return (workspace, user_id) in self._known
