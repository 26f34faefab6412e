"""The pulse of the process that carries a cycle out: it says that it is there, and hears when it shall end.

It beats on a thread with a database connection of its own, since the main one is busy for minutes at a time.
"""

import threading
from types import TracebackType
from typing import Self

from core.errors import MjpromptError
from core.logs import get_logger
from trainer.cycle.book import CycleBook
from trainer.run.stop_flag import StopFlag

log = get_logger(__name__)
BEAT_SECONDS = 2.0


class Pulse:
    """Beats within its block; where somebody wants the cycle to end, or another process has it, `stop` is asked to."""

    def __init__(self, database_url: str, cycle_id: str, stop: StopFlag, *, beat_seconds: float = BEAT_SECONDS) -> None:
        self._database_url, self._cycle_id, self._stop = database_url, cycle_id, stop
        self._beat_seconds = beat_seconds
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cycle pulse", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        with CycleBook(self._database_url) as book:
            while not self._is_over.wait(self._beat_seconds):
                try:
                    is_ours = book.heartbeat(self._cycle_id)
                    is_wanted = is_ours and not book.view(self._cycle_id).is_cancel_wanted
                except MjpromptError as error:  # the next beat may come through
                    log.warning("cycle.no_pulse", cycle=self._cycle_id, reason=str(error))
                    continue
                if not is_wanted:
                    self._stop.request()
                if not is_ours:
                    return
