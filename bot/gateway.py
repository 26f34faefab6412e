"""The port between delivery and a chat platform.

An answer only ever enters a message by an edit, and only of a message whose address is stored already. Editing twice
shows the same thing, so a bot that dies before, during or after sending loses nothing and shows no answer twice. It
knows nothing of rows.
"""

from typing import Protocol

from bot.cards import Card
from core.records import Destination, Platform
from core.release_channels import ReleaseChannel


class Addressed(Protocol):
    """A message on its way, as far as a gateway needs to know it."""

    @property
    def id(self) -> str: ...

    @property
    def destination(self) -> Destination: ...


class Gateway(Protocol):
    """One chat platform, as delivery needs it."""

    @property
    def platform(self) -> Platform: ...

    def is_open(self, destination: Destination) -> bool:
        """Tell whether there is a message at `destination` already that `show` can edit; a pure look."""
        ...

    def fall_back(self, destination: Destination) -> Destination | None:
        """Return where to go when `destination` is gone, not opened yet; None when nothing is left. Pure."""
        ...

    def without_secrets(self, destination: Destination) -> Destination:
        """Return what may be kept of `destination` once its message is sent: no interaction token, no URL. Pure."""
        ...

    def at_channel(self, channel: ReleaseChannel, *, language: str) -> Destination:
        """Return the destination of a message that is everybody's in `channel`. Pure."""
        ...

    async def open(self, message: Addressed, placeholder: Card) -> Destination:
        """Post `placeholder`, which holds no answer, at the message's destination; return the open destination.

        `message.id` is what a platform that can tell a repeated post is given to tell it by.

        Raises:
            AddressGone: nothing can be posted there.
            PlatformBusy: the platform asks to wait, or cannot be reached.
        """
        ...

    async def show(self, destination: Destination, card: Card) -> None:
        """Make the message at `destination` show `card`; doing it again changes nothing.

        Raises:
            AddressGone: the message cannot be edited there (any more).
            PlatformBusy: the platform asks to wait, or cannot be reached.
        """
        ...
