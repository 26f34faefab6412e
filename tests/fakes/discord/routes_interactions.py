"""Routes that answer interactions: the acknowledgement, and for fifteen minutes the messages behind its token.

They need no credential but the interaction's token. https://discord.com/developers/docs/interactions/receiving-and-responding
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from tests.fakes.discord import payloads
from tests.fakes.discord.checks import require
from tests.fakes.discord.command_limits import check_choices
from tests.fakes.discord.errors import (
    already_acknowledged,
    invalid,
    invalid_webhook_token,
    too_many_followups,
    unknown_interaction,
    unknown_message,
    unknown_webhook,
)
from tests.fakes.discord.interactions import (
    MAX_FOLLOWUPS_OF_USER_INSTALL,
    Interaction,
    InteractionKind,
    Interactions,
)
from tests.fakes.discord.messages import Message, MessageFlag
from tests.fakes.discord.modal_limits import read_modal
from tests.fakes.discord.posting import Posting
from tests.fakes.discord.rest import Call, Route


class CallbackType(IntEnum):
    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


ANSWERS = {
    InteractionKind.COMMAND: {CallbackType.MESSAGE, CallbackType.DEFERRED_MESSAGE, CallbackType.MODAL},
    InteractionKind.COMPONENT: set(CallbackType) - {CallbackType.CHOICES},
    InteractionKind.AUTOCOMPLETE: {CallbackType.CHOICES},
    InteractionKind.MODAL_SUBMIT: set(CallbackType) - {CallbackType.CHOICES, CallbackType.MODAL},
}
NEEDS_SOURCE = {CallbackType.DEFERRED_UPDATE, CallbackType.UPDATE}


class InteractionRoutes:
    """What a bot does to answer somebody."""

    def __init__(self, interactions: Interactions, posting: Posting) -> None:
        self._interactions = interactions
        self._posting = posting
        self._world = posting.world

    def routes(self) -> list[Route]:
        webhook = f"/webhooks/{self._world.bot.id}/{{token}}"
        message = f"{webhook}/messages/{{message}}"
        return [
            Route("POST", "/interactions/{interaction}/{token}/callback", self._acknowledge, needs_token=False),
            Route("POST", webhook, self._follow_up, needs_token=False),
            Route("GET", message, self._get, needs_token=False),
            Route("PATCH", message, self._edit, needs_token=False),
            Route("DELETE", message, self._delete, needs_token=False),
        ]

    async def _acknowledge(self, call: Call) -> tuple[int, Any]:
        interaction = self._interactions.of_id(call.names["interaction"])
        if interaction is None or interaction.token != call.names["token"] or interaction.is_too_late():
            raise unknown_interaction()
        if interaction.is_acknowledged:
            raise already_acknowledged(is_avoidable=not interaction.is_replayed)
        kind = _callback_type(interaction, call.body)
        self._apply(kind, interaction, call, call.body.get("data") or {})
        interaction.acknowledge(call.body, arrived_at_monotonic=call.arrived_at_monotonic)
        if call.query.get("with_response") not in {"1", "true"}:
            return 204, None
        return 200, _callback_response(kind, interaction)

    def _apply(self, kind: CallbackType, interaction: Interaction, call: Call, data: Mapping[str, Any]) -> None:
        """Do what the acknowledgement says."""
        match kind:
            case CallbackType.MESSAGE:
                interaction.response = self._post(interaction, call, data)
            case CallbackType.DEFERRED_MESSAGE:
                interaction.response = self._think(interaction, data)
            case CallbackType.DEFERRED_UPDATE:
                interaction.response = interaction.source
            case CallbackType.UPDATE:
                interaction.response = self._posting.edit(call, data, _existing(interaction.source))
            case CallbackType.CHOICES:
                choices = check_choices(data.get("choices"), "data.choices")
                interaction.choices = [(choice["name"], choice["value"]) for choice in choices]
            case CallbackType.MODAL:
                interaction.modal = read_modal(data)

    def _post(self, interaction: Interaction, call: Call, data: Mapping[str, Any]) -> Message:
        is_private = MessageFlag.EPHEMERAL in MessageFlag(data.get("flags") or 0)
        viewer = interaction.user if is_private else None
        return self._posting.new(call, data, interaction.channel, interaction=interaction, viewer=viewer)

    def _think(self, interaction: Interaction, data: Mapping[str, Any]) -> Message:
        flags = MessageFlag(data.get("flags") or 0)
        require(flags in (MessageFlag(0), MessageFlag.EPHEMERAL), "data.flags", f"cannot be {flags!r}")
        viewer = interaction.user if flags else None
        values = {"flags": flags | MessageFlag.LOADING, "viewer": viewer, "interaction": interaction}
        return self._world.add_message(interaction.channel, self._world.bot, values)

    async def _follow_up(self, call: Call) -> tuple[int, Any]:
        interaction = self._behind(call)
        response = interaction.response
        if response is not None and response.is_loading and not response.is_deleted:
            return 200, payloads.message(self._posting.edit(call, _without_ephemeral(call.body), response))
        if interaction.is_user_install_only and len(interaction.followups) >= MAX_FOLLOWUPS_OF_USER_INSTALL:
            raise too_many_followups()
        message = self._post(interaction, call, call.body)
        interaction.followups.append(message)
        return 200, payloads.message(message)

    async def _get(self, call: Call) -> tuple[int, Any]:
        return 200, payloads.message(self._message(call))

    async def _edit(self, call: Call) -> tuple[int, Any]:
        return 200, payloads.message(self._posting.edit(call, call.body, self._message(call)))

    async def _delete(self, call: Call) -> tuple[int, Any]:
        self._message(call).is_deleted = True
        return 204, None

    def _behind(self, call: Call) -> Interaction:
        """Return the interaction behind the token of a call when the token can still be used."""
        interaction = self._interactions.of_token(call.names["token"])
        if interaction is None or not interaction.is_acknowledged:
            raise unknown_webhook()
        if interaction.kind == InteractionKind.AUTOCOMPLETE:
            raise unknown_webhook()
        if interaction.is_expired(self._world.clock):
            raise invalid_webhook_token()
        return interaction

    def _message(self, call: Call) -> Message:
        """Return the message of a call: what answered the interaction first, or a followup."""
        interaction = self._behind(call)
        if call.names["message"] == "@original":
            return _existing(interaction.response)
        mine = {each.id: each for each in (interaction.response, *interaction.followups) if each is not None}
        return _existing(mine.get(call.names["message"]))


def _existing(message: Message | None) -> Message:
    if message is None or message.is_deleted:
        raise unknown_message()
    return message


def _callback_type(interaction: Interaction, body: Any) -> CallbackType:
    number = body.get("type")
    if number not in ANSWERS[interaction.kind]:
        raise invalid("type", f"{interaction.kind.name} cannot be answered by type {number!r}")
    kind = CallbackType(number)
    require(
        kind not in NEEDS_SOURCE or interaction.source is not None, "type", f"{kind.name} needs a message to update"
    )
    return kind


def _callback_response(kind: CallbackType, interaction: Interaction) -> dict[str, Any]:
    response = interaction.response
    about: dict[str, Any] = {"id": interaction.id, "type": int(interaction.kind)}
    if response is None:
        return {"interaction": about}
    about |= {
        "response_message_id": response.id,
        "response_message_loading": response.is_loading,
        "response_message_ephemeral": response.is_ephemeral,
    }
    if kind not in {CallbackType.MESSAGE, CallbackType.UPDATE}:
        return {"interaction": about}
    return {"interaction": about, "resource": {"type": int(kind), "message": payloads.message(response)}}


def _without_ephemeral(body: Mapping[str, Any]) -> dict[str, Any]:
    """A followup that fills a loading message stays as private as that was, whatever its own flag says."""
    return {**body, "flags": (body.get("flags") or 0) & ~MessageFlag.EPHEMERAL}
