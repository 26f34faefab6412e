"""A message as Slack keeps it: author, time, text and blocks, with its earlier states.

It does not know who may change it.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.slack import blocks as block_tree
from tests.fakes.slack.mentions import unescaped

if TYPE_CHECKING:
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.workspaces import Channel

Json = Mapping[str, Any]
MAX_EDITS_KEPT = 50


@dataclass(frozen=True, slots=True)
class Edit:
    """What a message was before it was changed."""

    fallback: str
    blocks: Sequence[Json]
    at: float


@dataclass(slots=True, eq=False)
class Message:
    """One message; a test may keep it and look at it again after it was edited or deleted."""

    ts: str
    channel: "Channel"
    author: "Person"
    fallback: str
    blocks: Sequence[Json]
    posted_at: float
    visible_to: "Person | None" = None  # None: everybody in the channel
    thread_ts: str | None = None
    metadata: Json | None = None
    edited_at: float | None = None
    is_deleted: bool = False
    edits: deque[Edit] = field(default_factory=lambda: deque(maxlen=MAX_EDITS_KEPT))
    num_edits: int = 0

    @property
    def is_ephemeral(self) -> bool:
        return self.visible_to is not None

    @property
    def text(self) -> str:
        """What is shown: the text of the blocks, or the plain text when there are none."""
        return block_tree.shown_text(self.blocks) if self.blocks else unescaped(self.fallback)

    @property
    def controls(self) -> list[block_tree.Control]:
        return block_tree.controls(self.blocks)

    @property
    def buttons(self) -> list[tuple[str, str, str | None]]:
        """(label, action_id, value) of everything that can be pressed."""
        return [(control.label, control.action_id, control.value) for control in self.controls]

    def change(self, *, text: str, blocks: Sequence[Json] | None, at: float) -> None:
        """Show something else, and remember what was shown before."""
        self.edits.append(Edit(self.fallback, self.blocks, at))
        self.num_edits += 1
        self.fallback = text
        self.blocks = block_tree.with_ids(blocks, f"b{self.num_edits}.")
        self.edited_at = at

    def as_payload(self) -> dict[str, Any]:
        """Return the message as the Web API and interactions show it."""
        payload: dict[str, Any] = {
            "type": "message",
            "user": self.author.id,
            "ts": self.ts,
            "text": self.fallback,
            "team": self.channel.team.id,
            "blocks": list(self.blocks),
        }
        if self.author.is_bot:
            payload |= {"bot_id": self.channel.team.bot_id, "app_id": self.channel.team.world.app_id}
        if self.edited_at is not None:
            payload["edited"] = {"user": self.author.id, "ts": f"{self.edited_at:.6f}"}
        if self.thread_ts is not None:
            payload["thread_ts"] = self.thread_ts
        return payload
