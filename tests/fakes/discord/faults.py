"""Faults that a test injects into REST calls: errors, delays, rate limits and cut connections.

A cut connection leaves the bot unsure whether its call took effect; a test chooses which of the two it was.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Drop = Literal["before", "after"]


@dataclass(kw_only=True)
class Fault:
    """What happens to the next `times` calls whose path holds `path_fragment`.

    With a `status` the call takes no effect. `drop` cuts the connection before or after it took effect.
    """

    path_fragment: str
    method: str | None = None
    status: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    delay_seconds: float = 0.0
    drop: Drop | None = None

    def fits(self, method: str, path: str) -> bool:
        """Tell whether it happens to this call."""
        return self.times > 0 and self.path_fragment in path and self.method in (None, method)


class Faults:
    """The faults that wait for their calls, in the order they were added."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(
        self,
        path_fragment: str,
        *,
        method: str | None = None,
        status: int | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
        delay_seconds: float = 0.0,
        drop: Drop | None = None,
    ) -> Fault:
        """Let the next `times` fitting calls go wrong; the fault counts down its `times` as it happens.

        Raises:
            ValueError: it would change nothing.
        """
        if status is None and not drop and not delay_seconds:
            raise ValueError(f"A fault for {path_fragment!r} needs a status, a drop or a delay.")
        fault = Fault(
            path_fragment=path_fragment,
            method=method,
            status=status,
            body={"code": 0, "message": f"{status}: injected"} if body is None else body,
            headers=headers or {},
            times=times,
            delay_seconds=delay_seconds,
            drop=drop,
        )
        self._waiting.append(fault)
        return fault

    def limit_rate(
        self,
        path_fragment: str,
        *,
        method: str | None = None,
        retry_after_seconds: float = 0.05,
        is_global: bool = False,
        times: int = 1,
    ) -> Fault:
        """Let the next `times` fitting calls be answered 429, as Discord does for a route or for everything."""
        reset = f"{retry_after_seconds:.3f}"
        headers = {
            "Via": "1.1 google",
            "Retry-After": reset,
            "X-RateLimit-Limit": "5",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": f"{time.time() + retry_after_seconds:.3f}",
            "X-RateLimit-Reset-After": reset,
            "X-RateLimit-Scope": "global" if is_global else "user",
        }
        if is_global:
            headers["X-RateLimit-Global"] = "true"
        body = {"message": "You are being rate limited.", "retry_after": retry_after_seconds, "global": is_global}
        return self.add(path_fragment, method=method, status=429, body=body, headers=headers, times=times)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return what happens to this call, and count it."""
        fault = next((each for each in self._waiting if each.fits(method, path)), None)
        if fault is not None:
            fault.times -= 1
            self._waiting = [each for each in self._waiting if each.times > 0]
        return fault
