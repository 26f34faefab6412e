"""Errors that a test orders for a Web API method, for `response_url` or for `link` (the socket)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ANY_METHOD = "*"


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens instead of, or around, the next calls of a method."""

    method: str
    status: int | None
    error: str | None
    headers: Mapping[str, str]
    times: int
    delay_seconds: float
    drop: Literal["before", "after"] | None
    num_used: int = field(default=0, init=False)

    @property
    def is_answer(self) -> bool:
        """Whether the call is answered without taking effect."""
        return self.status is not None or self.error is not None


class Faults:
    """The faults that are still to come, in the order they were added."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []

    def add(
        self,
        method: str,
        *,
        status: int | None = None,
        error: str | None = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
        delay_seconds: float = 0,
        drop: Literal["before", "after"] | None = None,
    ) -> Fault:
        """Order a fault for the next `times` calls of `method` ("*": any).

        `drop` cuts the connection before the call took effect, or after it did. A delay alone only delays.
        """
        fault = Fault(
            method=method,
            status=status,
            error=error,
            headers=dict(headers or {}),
            times=times,
            delay_seconds=delay_seconds,
            drop=drop,
        )
        self._pending.append(fault)
        return fault

    def clear(self) -> None:
        """Forget the faults that have not happened."""
        self._pending.clear()

    def take(self, method: str) -> Fault | None:
        """Return the fault for a call that just came in, and count it."""
        for fault in self._pending:
            if fault.method in (method, ANY_METHOD):
                fault.num_used += 1
                if fault.num_used >= fault.times:
                    self._pending.remove(fault)
                return fault
        return None
