"""How long to wait before trying again: 1, 2, 4 … seconds. It knows nothing of what is tried."""

MAX_BACKOFF_SECONDS = 30.0


def backoff_seconds(failures: int, *, maximum: float = MAX_BACKOFF_SECONDS) -> float:
    """Return the wait after `failures` failures in a row (1 or more)."""
    return float(min(2.0 ** min(failures - 1, 16), maximum))
