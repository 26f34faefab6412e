"""The one clock of storage, so that leases and deadlines can be tested by moving it.

Call it as `clock.utc_now()`: a name imported from here would not follow a moved clock.
"""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present moment as aware UTC."""
    return datetime.now(UTC)
