"""A message as everybody who can see it sees it now, and what it was before."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING, Any

from tests.fakes.discord.components import Button, Component, Node, buttons_of, texts_of, tree_of
from tests.fakes.discord.errors import NotPossible

if TYPE_CHECKING:
    from tests.fakes.discord.interactions import Interaction
    from tests.fakes.discord.world import Channel, User

MAX_VERSIONS = 20


class MessageFlag(IntFlag):
    """https://discord.com/developers/docs/resources/message#message-object-message-flags"""

    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_COMPONENTS_V2 = 1 << 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One file of a message."""

    id: str
    filename: str
    content: bytes


@dataclass(kw_only=True, eq=False)
class Message:
    """One message; `viewer` is the only person who sees it, None when everybody in the channel does.

    `versions` are the texts it had so far, the newest last.
    """

    id: str
    channel: "Channel"
    author: "User"
    created_at: float
    flags: MessageFlag = field(default=MessageFlag(0))
    content: str = ""
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    nonce: str | None = None
    reply_to: str | None = None
    viewer: "User | None" = None
    interaction: "Interaction | None" = None
    edited_at: float | None = None
    edits: int = 0
    is_deleted: bool = False
    versions: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_VERSIONS))

    @property
    def text(self) -> str:
        """All text of the message: content, embeds, text displays; not what its buttons say."""
        embedded = [embed[key] for embed in self.embeds for key in ("title", "description") if embed.get(key)]
        return "\n".join(part for part in (self.content, *embedded, *texts_of(self.components)) if part)

    @property
    def tree(self) -> tuple[Node, ...]:
        """The components, ready to draw."""
        return tree_of(self.components)

    @property
    def buttons(self) -> list[tuple[str, str | None]]:
        """Label and custom_id of each button, in order."""
        return [(button.label, button.custom_id) for button in buttons_of(self.components)]

    @property
    def files(self) -> dict[str, bytes]:
        """What is attached, by name."""
        return {attachment.filename: attachment.content for attachment in self.attachments}

    @property
    def is_ephemeral(self) -> bool:
        return MessageFlag.EPHEMERAL in self.flags

    @property
    def is_loading(self) -> bool:
        """Whether people see "… is thinking" instead of a message."""
        return MessageFlag.LOADING in self.flags

    @property
    def is_v2(self) -> bool:
        return MessageFlag.IS_COMPONENTS_V2 in self.flags

    def button(self, name: str) -> Button:
        """Return the button with this label or custom_id.

        Raises:
            NotPossible: there is none, or there are several.
        """
        found = [each for each in buttons_of(self.components) if name in (each.custom_id, each.label)]
        if len(found) != 1:
            raise NotPossible(f"{len(found)} buttons are called {name!r}; the message has {self.buttons}")
        return found[0]

    def write(self, values: Mapping[str, Any]) -> None:
        """Take over the given fields, and remember the text that comes of it."""
        for name, value in values.items():
            setattr(self, name, value)
        self.versions.append(self.text)

    def edit(self, values: Mapping[str, Any], *, now: float) -> None:
        """Change the message; one that was loading becomes a message by it."""
        if not self.is_loading:
            self.edits += 1
            self.edited_at = now
        self.flags &= ~MessageFlag.LOADING
        self.write(values)
