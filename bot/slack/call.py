"""One thing that a person did in Slack, read from its payload: a command, a press, a form, a shortcut.

It holds what handlers need and nothing of Bolt but the acknowledgement. It decides nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from bot.slack.clients import Workspace
from bot.slack.events import command_id, form_id, press_id
from bot.slack.forms.origin import Origin, read_origin
from bot.slack.identity import identity_of
from core.errors import NotFound
from core.records import Identity

BoltAck = Callable[..., Awaitable[object]]


class CallKind(Enum):
    """What was done."""

    COMMAND = auto()
    PRESS = auto()
    FORM = auto()
    SHORTCUT = auto()


class Acknowledgement:
    """Tells Slack once that its request arrived; what is given to it first is what Slack shows."""

    def __init__(self, ack: BoltAck) -> None:
        self._ack = ack
        self.is_done = False

    async def __call__(self, payload: Mapping[str, Any] | None = None) -> None:
        if self.is_done:
            return
        self.is_done = True
        await (self._ack() if payload is None else self._ack(dict(payload)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who did what, where; `message_ts` is the message whose button was pressed, None for one only they can see."""

    kind: CallKind
    acknowledge: Acknowledgement
    body: Mapping[str, Any]
    workspace: Workspace
    user_id: str
    identity: Identity
    event_id: str
    channel_id: str | None = None
    message_ts: str | None = None
    is_on_home: bool = False
    action: Mapping[str, Any] | None = None
    origin: Origin | None = None

    @property
    def response_url(self) -> str | None:
        url = self.body.get("response_url")
        return url if isinstance(url, str) and url else None

    @property
    def trigger_id(self) -> str:
        return str(self.body.get("trigger_id", ""))

    @property
    def text(self) -> str:
        """What was typed behind a command, as the person typed it."""
        return unescaped(str(self.body.get("text") or ""))


def unescaped(text: str) -> str:
    """Return text without the three escapes that Slack puts into what people type."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def read_command(ack: BoltAck, body: Mapping[str, Any], workspace: Workspace, user_id: str) -> Call:
    arrived = _Arrived(ack=ack, body=body, workspace=workspace, user_id=user_id)
    name = str(body.get("user_name") or "") or None
    event_id, channel_id = command_id(workspace.team_id, body), _id(body.get("channel_id"))
    return arrived.as_call(CallKind.COMMAND, event_id, channel_id=channel_id, display_name=name)


def read_shortcut(ack: BoltAck, body: Mapping[str, Any], workspace: Workspace, user_id: str) -> Call:
    arrived = _Arrived(ack=ack, body=body, workspace=workspace, user_id=user_id)
    channel_id = _id(_mapping(body.get("channel")).get("id"))
    return arrived.as_call(CallKind.SHORTCUT, command_id(workspace.team_id, body), channel_id=channel_id)


def read_press(ack: BoltAck, body: Mapping[str, Any], workspace: Workspace, user_id: str) -> Call:
    """Read the press of one button.

    Raises:
        NotFound: the payload names no button.
    """
    pressed = body.get("actions")
    if not isinstance(pressed, list) or not pressed:
        raise NotFound("This button does nothing here; ask again to get new ones.")
    arrived = _Arrived(ack=ack, body=body, workspace=workspace, user_id=user_id)
    container = _mapping(body.get("container"))
    channel_id = _id(container.get("channel_id")) or _id(_mapping(body.get("channel")).get("id"))
    event_id = press_id(workspace.team_id, user_id, body, pressed[0])
    return replace(
        arrived.as_call(CallKind.PRESS, event_id, channel_id=channel_id),
        message_ts=None if container.get("is_ephemeral") else _id(container.get("message_ts")),
        is_on_home=_mapping(body.get("view")).get("type") == "home",
        action=pressed[0],
    )


def read_form(ack: BoltAck, body: Mapping[str, Any], workspace: Workspace, user_id: str) -> Call:
    """Read a form that was sent; one of another version is about nothing, which its handler refuses."""
    try:
        origin = read_origin(str(_mapping(body.get("view")).get("private_metadata") or ""))
    except NotFound:
        origin = Origin()
    arrived = _Arrived(ack=ack, body=body, workspace=workspace, user_id=user_id)
    call = arrived.as_call(CallKind.FORM, form_id(workspace.team_id, body), channel_id=origin.channel_id)
    return replace(call, message_ts=origin.message_ts, origin=origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrived:
    """What every payload comes with."""

    ack: BoltAck
    body: Mapping[str, Any]
    workspace: Workspace
    user_id: str

    def as_call(
        self, kind: CallKind, event_id: str, *, channel_id: str | None, display_name: str | None = None
    ) -> Call:
        """Return the call as far as all kinds are alike; the name is the payload's, unless one is given."""
        name = display_name or _name(self.body)
        return Call(
            kind=kind,
            acknowledge=Acknowledgement(self.ack),
            body=self.body,
            workspace=self.workspace,
            user_id=self.user_id,
            identity=identity_of(self.workspace, self.user_id, channel_id=channel_id, display_name=name),
            event_id=event_id,
            channel_id=channel_id,
        )


def _name(body: Mapping[str, Any]) -> str | None:
    user = _mapping(body.get("user"))
    name = user.get("name") or user.get("username")
    return str(name) if name else None


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
