"""Ctrl-C and SIGTERM during training: the first asks to save and end, the second ends at once.

Before there is anything to save, the first ends at once as well. It knows no loop.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """What was going on was given up, since somebody asked to end; no error, and nobody has to be told."""


class StopFlag:
    """Tells whether somebody asked to end, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._is_patient = False

    def __call__(self) -> bool:
        """Say whether to end."""
        return self.signal is not None

    def request(self) -> None:
        """Ask to end as by SIGTERM, from any thread; what is not patient notices when it looks."""
        self.signal = self.signal or signal.SIGTERM

    def require_unwanted(self) -> None:
        """Go on unless somebody asked to end. Raises: Stopped."""
        if self():
            raise Stopped

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Obey signals within; they are as before afterwards. Only a process's main thread may."""
        before: dict[int, Any] = {number: signal.signal(number, self._obey) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def patiently(self) -> Iterator[None]:
        """Only take note of the first signal within, since there is something to save."""
        self._is_patient = True
        try:
            yield
        finally:
            self._is_patient = False

    def _obey(self, number: int, _frame: FrameType | None) -> None:
        is_first = self.signal is None
        self.signal = number
        if not (is_first and self._is_patient):
            raise SystemExit(128 + number)
