"""Payloads of interactions, field by field as Slack sends them; pure apart from new ids and time stamps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.slack.messages import Message
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.views import View
    from tests.fakes.slack.workspaces import Channel

Json = Mapping[str, Any]


def command(person: "Person", channel: "Channel", name: str, text: str) -> dict[str, Any]:
    """Return a slash command; every value is a text, because they travel in a form."""
    team = person.team
    return {
        "token": "legacy-verification-token",
        "team_id": team.id,
        "team_domain": team.domain,
        "channel_id": channel.id,
        "channel_name": "privategroup" if channel.is_private and not channel.is_direct else channel.name,
        "user_id": person.id,
        "user_name": person.name,
        "command": name,
        "text": text,
        "api_app_id": team.world.app_id,
        "is_enterprise_install": "false",
    }


def message_press(person: "Person", message: "Message", action: Json) -> dict[str, Any]:
    """Return the press of something in a message; an ephemeral message itself is not in it, only its address."""
    payload = _interaction("block_actions", person) | {
        "container": {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel.id,
            "is_ephemeral": message.is_ephemeral,
        },
        "channel": _channel(message.channel),
        "state": {"values": {}},
        "actions": [dict(action)],
    }
    return payload if message.is_ephemeral else payload | {"message": message.as_payload()}


def view_press(view: "View", action: Json) -> dict[str, Any]:
    """Return the press of something in a modal or in the home tab: no channel, no response_url."""
    return _interaction("block_actions", view.person) | {
        "container": {"type": "view", "view_id": view.id},
        "view": view.as_payload(),
        "actions": [dict(action)],
    }


def view_submission(view: "View", values: Json) -> dict[str, Any]:
    """Return the sending of a form."""
    shown = view.as_payload(values)
    return _interaction("view_submission", view.person) | {"view": shown, "response_urls": []}


def view_closed(view: "View") -> dict[str, Any]:
    """Return the closing of a form without sending it."""
    return _interaction("view_closed", view.person) | {"view": view.as_payload(), "is_cleared": False}


def message_shortcut(person: "Person", message: "Message", callback_id: str) -> dict[str, Any]:
    """Return the choice of a shortcut in a message's menu."""
    return _interaction("message_action", person) | {
        "callback_id": callback_id,
        "action_ts": person.team.world.new_ts(),
        "message_ts": message.ts,
        "channel": _channel(message.channel),
        "message": message.as_payload(),
    }


def global_shortcut(person: "Person", callback_id: str) -> dict[str, Any]:
    """Return the choice of a shortcut that belongs to no message."""
    ts = person.team.world.new_ts()
    return _interaction("shortcut", person) | {"callback_id": callback_id, "action_ts": ts}


def _interaction(kind: str, person: "Person") -> dict[str, Any]:
    team = person.team
    return {
        "type": kind,
        "token": "legacy-verification-token",
        "api_app_id": team.world.app_id,
        "team": {"id": team.id, "domain": team.domain},
        "user": {"id": person.id, "username": person.name, "name": person.name, "team_id": person.home_team_id},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _channel(channel: "Channel") -> dict[str, Any]:
    is_group = channel.is_private and not channel.is_direct
    return {"id": channel.id, "name": "privategroup" if is_group else channel.name}
