"""Snowflakes: Discord's ids, which carry the time they were made at."""

from tests.fakes.clock import VirtualClock

DISCORD_EPOCH_MILLISECONDS = 1_420_070_400_000
TIMESTAMP_SHIFT = 22


class Snowflakes:
    """Makes ids that never repeat and always grow."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> str:
        """Return a fresh id, as Discord writes them: a string of digits."""
        milliseconds = int(self._clock.now() * 1000) - DISCORD_EPOCH_MILLISECONDS
        self._last = max(self._last + 1, milliseconds << TIMESTAMP_SHIFT)
        return str(self._last)
