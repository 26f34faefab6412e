"""Interactions as Discord sends them, where a well-behaved client would not: replayed, forged, from elsewhere."""

from typing import Any

import simcord
from simcord.actors import MemberActor
from simcord.backend import serializers
from simcord.builders import ChannelHandle, UserHandle
from simcord.interactions import base_payload
from simcord.results import InteractionResult, ResponseMessage

COMMAND, COMPONENT, MODAL = 2, 3, 5


async def emit(
    env: simcord.Env,
    actor: MemberActor | UserHandle,
    channel: ChannelHandle,
    kind: int,
    data: dict[str, Any],
    *,
    message: ResponseMessage | None = None,
    times: int = 1,
    **changes: Any,
) -> InteractionResult:
    """Send one interaction `times` times with the same id; `changes` replace parts of its payload."""
    guild = getattr(actor, "guild", None)
    record, payload = base_payload(
        env.backend,
        type=kind,
        channel_id=channel.id,
        guild_id=None if guild is None else guild.id,
        user_id=actor.id,
        data=data,
    )
    if message is not None:
        stored = env.backend.get_message(message.channel_id, message.id)
        payload["message"] = dict(serializers.message_payload(env.backend, stored))
        record.source_message_id = message.id
    payload.update(changes)
    for _ in range(times):
        env.backend.emit("INTERACTION_CREATE", payload)
        await env.settle()
    return InteractionResult(env, record)


def slash(env: simcord.Env, name: str, *path: str, **options: Any) -> dict[str, Any]:
    """Return the data of a slash command; `path` leads to a subcommand, text and whole numbers are its options."""
    command = env.backend.find_command(name, None, type=1)
    assert command is not None
    kinds = {bool: 5, int: 4, str: 3}
    filled: list[dict[str, Any]] = [
        {"name": key, "type": kinds[type(value)], "value": value} for key, value in options.items()
    ]
    for step in reversed(path):
        filled = [{"name": step, "type": 1, "options": filled}]
    return {"id": command["id"], "name": name, "type": 1, "options": filled}


def button(custom_id: str) -> dict[str, Any]:
    """Return the data of a pressed button."""
    return {"custom_id": custom_id, "component_type": 2}
