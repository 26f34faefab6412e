"""The clock of the fakes: real time that a test can move forward.

Tokens and URLs expire by it. It knows nothing of event loops: nobody who sleeps wakes up earlier.
"""

import time


class VirtualClock:
    """Real time plus whatever was skipped."""

    def __init__(self) -> None:
        self._skipped_seconds = 0.0

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time() + self._skipped_seconds

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once.

        Raises:
            ValueError: time does not run backwards.
        """
        if seconds < 0:
            raise ValueError(f"Time cannot run backwards: {seconds} seconds.")
        self._skipped_seconds += seconds
