"""Identifiers made here: ULIDs, 26 characters, ordered by time and strictly so within one process."""

from ulid import ULID

ID_LENGTH = 26


def new_id() -> str:
    """Return a fresh identifier that sorts after every earlier one of this process."""
    return str(ULID())
