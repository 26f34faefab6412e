"""The methods chat.*: who may post where, what may be changed, and how fast.

Errors carry Slack's own names. What a message may contain is decided in `limits`.
"""

import time
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.fakes.slack.limits import MAX_MESSAGE_TEXT, message_problems
from tests.fakes.slack.messages import Message
from tests.fakes.slack.web_api import Call, Method, SlackError

if TYPE_CHECKING:
    from tests.fakes.slack.workspaces import Channel, Team
    from tests.fakes.slack.world import World

RATE_WINDOW_SECONDS = 1.0
Result = Mapping[str, Any]


class PostRates:
    """How many messages a channel was sent within one second; Slack allows one."""

    def __init__(self) -> None:
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)
        self.is_enforced = False
        self.highest: dict[str, int] = {}  # by channel id

    def count(self, channel_id: str) -> None:
        """Count one post.

        Raises:
            SlackError: rates are enforced, and this is the second post within a second.
        """
        times = self._times[channel_id]
        now = time.monotonic()
        while times and now - times[0] >= RATE_WINDOW_SECONDS:
            times.popleft()
        if times and self.is_enforced:
            raise SlackError("ratelimited", status=429, headers={"Retry-After": "1"})
        times.append(now)
        self.highest[channel_id] = max(self.highest.get(channel_id, 0), len(times))


def chat_methods(rates: PostRates) -> dict[str, Method]:
    """Return the methods by name."""

    def post(world: "World", call: Call) -> Result:
        channel = _channel_to_post_in(call)
        text, blocks = _content(world, call)
        rates.count(channel.id)
        thread_ts = call.arguments.get("thread_ts")
        metadata = call.arguments.get("metadata")
        author = channel.team.bot_user
        message = channel.post(author, text=text, blocks=blocks, thread_ts=thread_ts, metadata=metadata)
        return {"channel": channel.id, "ts": message.ts, "message": message.as_payload()}

    names = {
        "chat.postMessage": post,
        "chat.postEphemeral": _post_ephemeral,
        "chat.update": _update,
        "chat.delete": _delete,
    }
    return {name: Method(run=run, scope="chat:write") for name, run in names.items()}


def _post_ephemeral(world: "World", call: Call) -> Result:
    channel = _channel_to_post_in(call, is_ephemeral=True)
    person = _team(call).users.get(str(call.arguments.get("user")))
    if person is None:
        raise SlackError("user_not_in_channel")
    text, blocks = _content(world, call)
    return {"message_ts": channel.post(channel.team.bot_user, text=text, blocks=blocks, visible_to=person).ts}


def _update(world: "World", call: Call) -> Result:
    message = _own_message(call, "cant_update_message")
    text, blocks = _content(world, call)
    kept = message.blocks if blocks is None and "text" not in call.arguments else blocks
    message.change(text=text, blocks=kept, at=world.clock.now())
    return {"channel": message.channel.id, "ts": message.ts, "text": text, "message": message.as_payload()}


def _delete(world: "World", call: Call) -> Result:
    message = _own_message(call, "cant_delete_message")
    message.is_deleted = True
    return {"channel": message.channel.id, "ts": message.ts}


def _team(call: Call) -> "Team":
    assert call.team is not None
    return call.team


def _channel_of(call: Call, *, may_be_person: bool = False) -> "Channel":
    team, wanted = _team(call), str(call.arguments.get("channel"))
    person = team.users.get(wanted)
    if may_be_person and person is not None and not person.is_bot:
        return team.direct_channel(person)
    if wanted not in team.channels:
        raise SlackError("channel_not_found")
    return team.channels[wanted]


def _channel_to_post_in(call: Call, *, is_ephemeral: bool = False) -> "Channel":
    channel = _channel_of(call, may_be_person=not is_ephemeral)
    if not channel.is_bot_member:
        if channel.is_private:
            raise SlackError("channel_not_found")
        if is_ephemeral or "chat:write.public" not in channel.team.scopes:
            raise SlackError("not_in_channel")
    if channel.is_archived:
        raise SlackError("is_archived")
    return channel


def _own_message(call: Call, error: str) -> Message:
    channel = _channel_of(call)
    if channel.is_private and not channel.is_bot_member:
        raise SlackError("channel_not_found")
    message = channel.message(call.arguments.get("ts"))
    if message is None:
        raise SlackError("message_not_found")
    if message.is_ephemeral or message.author is not channel.team.bot_user:
        raise SlackError(error)
    return message


def _content(world: "World", call: Call) -> tuple[str, list[Any] | None]:
    """Return text and blocks.

    Raises:
        SlackError: there is nothing to show, or it breaks a limit or pings, which is a violation as well.
    """
    text, blocks = call.arguments.get("text"), call.arguments.get("blocks")
    problems = message_problems(text, blocks)
    if not text and not blocks and not call.arguments.get("attachments"):
        problems.append("there is neither text nor blocks")
    if call.arguments.get("parse") == "full" or str(call.arguments.get("link_names")).lower() in ("1", "true"):
        problems.append("parse=full and link_names turn a plain @here into a mention")
    for problem in problems:
        world.violation(f"{call.method}: {problem}")
    if problems:
        raise SlackError(_error_of(text, blocks), response_metadata={"messages": [f"[ERROR] {problems[0]}"]})
    return text or "", blocks


def _error_of(text: object, blocks: object) -> str:
    if isinstance(text, str) and len(text) > MAX_MESSAGE_TEXT:
        return "msg_too_long"
    return "invalid_blocks" if blocks else "no_text"
