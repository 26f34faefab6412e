"""One lock a chat message: a progress edit that is still on its way must not land on top of the answer."""

import asyncio
from weakref import WeakValueDictionary


class MessageLocks:
    """Locks by message id, each there for as long as somebody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, message_id: str) -> asyncio.Lock:
        """Return the message's lock."""
        return self._locks.setdefault(message_id, asyncio.Lock())
