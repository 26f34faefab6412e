"""Where a Discord message goes, as it is kept in the outbox: plain JSON, read and written here only.

The way down when an address is gone: the interaction's own message, a message in the channel, a direct message. A
private answer never takes the channel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from core.records import Destination


class Route(StrEnum):
    """One meaning a route; `message_id` says whether a message is there already."""

    INTERACTION = "interaction"  # edited with the interaction's token, for as long as that lives
    CHANNEL = "channel"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscordDestination:
    """One address. `channel_id` is None where the bot cannot post, `replaces` is a message that a new one stands for.

    `token` is the interaction's credential; it is dropped once the message is sent.
    """

    route: Route
    language: str
    user_id: int
    channel_id: int | None
    message_id: int | None = None
    is_private: bool = False
    application_id: int | None = None
    token: str | None = None
    token_expires_at: datetime | None = None
    replaces: int | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether there is a message to edit."""
        return self.route is Route.INTERACTION or self.message_id is not None

    def is_expired(self, now: datetime) -> bool:
        """Tell whether the interaction's token has run out, or is not there any more."""
        is_usable = self.token is not None and self.token_expires_at is not None and now < self.token_expires_at
        return self.route is Route.INTERACTION and not is_usable

    def fall_back(self) -> Self | None:
        """Return the next address down, where nothing is posted yet; None when nothing is left."""
        if self.route is Route.DIRECT:
            return None
        cleared = replace(self.without_secrets(), message_id=None, replaces=None)
        if self.route is Route.INTERACTION and self.channel_id is not None and not self.is_private:
            return replace(cleared, route=Route.CHANNEL, replaces=self.message_id)
        return replace(cleared, route=Route.DIRECT, channel_id=None)

    def opened(self, *, channel_id: int, message_id: int) -> Self:
        """Return the address of the message that was just posted here."""
        return replace(self, channel_id=channel_id, message_id=message_id)

    def without_secrets(self) -> Self:
        """Return the address without the interaction's token."""
        return replace(self, token=None, token_expires_at=None)

    def as_json(self) -> Destination:
        """Return what the outbox keeps: identifiers as text, because they are larger than JSON numbers may be."""
        return {
            "route": self.route.value,
            "language": self.language,
            "user_id": str(self.user_id),
            "channel_id": _text(self.channel_id),
            "message_id": _text(self.message_id),
            "is_private": self.is_private,
            "application_id": _text(self.application_id),
            "token": self.token,
            "token_expires_at": None if self.token_expires_at is None else self.token_expires_at.isoformat(),
            "replaces": _text(self.replaces),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, object]) -> Self:
        """Read what `as_json` wrote."""
        expires_at = kept.get("token_expires_at")
        token = kept.get("token")
        return cls(
            route=Route(str(kept["route"])),
            language=str(kept["language"]),
            user_id=int(str(kept["user_id"])),
            channel_id=_number(kept.get("channel_id")),
            message_id=_number(kept.get("message_id")),
            is_private=bool(kept.get("is_private")),
            application_id=_number(kept.get("application_id")),
            token=None if token is None else str(token),
            token_expires_at=None if expires_at is None else datetime.fromisoformat(str(expires_at)),
            replaces=_number(kept.get("replaces")),
        )


def _text(identifier: int | None) -> str | None:
    return None if identifier is None else str(identifier)


def _number(kept: object) -> int | None:
    return None if kept is None else int(str(kept))
