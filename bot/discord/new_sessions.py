"""How soon the bot opens a new session after it lost one that it cannot resume.

discord.py waits 5 s each time. Discord wants two new sessions of a bot 5 s apart, and the bots of an outage not all at
the same moment; most losses come long after the last session was opened.
"""

import asyncio
import math
import random

SECONDS_APART = 5.0
LEAST_SECONDS, MOST_SECONDS = 1.0, 1.5


class NewSessions:
    """The new sessions of one bot, all its shards together, which discord.py opens one by one."""

    def __init__(self) -> None:
        self._opened_at = -math.inf

    async def await_turn(self, *, is_first: bool) -> None:
        """Return once a new session may be opened; the bot's first one may at once."""
        loop = asyncio.get_running_loop()
        if not is_first:
            await asyncio.sleep(self.wait_seconds(loop.time()))
        self._opened_at = loop.time()

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait at a moment of the loop's clock."""
        return max(random.uniform(LEAST_SECONDS, MOST_SECONDS), self._opened_at + SECONDS_APART - now)  # noqa: S311
