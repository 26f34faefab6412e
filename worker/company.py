"""Who decodes beside whom: requests share the model, or one has it to itself.

It knows no queue and no model; it counts, and makes those wait who cannot be let in yet.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Stay:
    """One batch while it decodes; `most_requests` were decoding at once during it, its own included."""

    num_requests: int
    most_requests: int = 0

    @property
    def is_in_company(self) -> bool:
        return self.most_requests > self.num_requests


class Company:
    """The batches that decode at present.

    Whoever wants to be alone goes before those who come later, and waits only for those who are inside.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Event()  # a new one after every change
        self._stays: set[Stay] = set()
        self._num_loners = 0  # inside or waiting

    @property
    def is_closed(self) -> bool:
        """Whether somebody is alone or waits to be: nobody else is let in."""
        return self._num_loners > 0

    @asynccontextmanager
    async def joined(self, stay: Stay, *, max_requests: int, alone: bool) -> AsyncIterator[None]:
        """Let a batch decode while the block runs: `alone`, or beside others so that they are `max_requests` at most.

        A batch that is larger than that goes in once nobody else is inside.
        """
        self._num_loners += alone
        try:
            while self._must_wait(stay, max_requests=max_requests, alone=alone):
                await self._changed.wait()
            self._enter(stay)
            yield
        finally:
            self._num_loners -= alone
            self._stays.discard(stay)
            self._changed.set()
            self._changed = asyncio.Event()

    @property
    def _num_requests(self) -> int:
        return sum(stay.num_requests for stay in self._stays)

    def _must_wait(self, stay: Stay, *, max_requests: int, alone: bool) -> bool:
        if alone:
            return bool(self._stays)
        return self.is_closed or (bool(self._stays) and self._num_requests + stay.num_requests > max_requests)

    def _enter(self, stay: Stay) -> None:
        self._stays.add(stay)
        for inside in self._stays:
            inside.most_requests = max(inside.most_requests, self._num_requests)
