"""The methods about the app itself and about people: auth.*, apps.*, oauth.*, users.info, conversations.open."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.fakes.slack.installation import Installations
from tests.fakes.slack.socket_mode import SocketMode
from tests.fakes.slack.web_api import Call, Method, SlackError

if TYPE_CHECKING:
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.world import World

Result = Mapping[str, Any]


def account_methods(sockets: SocketMode, installations: Installations) -> dict[str, Method]:
    """Return the methods by name."""
    return {
        "apps.connections.open": Method(run=lambda world, call: {"url": sockets.new_url()}, needs="app"),
        "oauth.v2.access": Method(run=lambda world, call: installations.access(call.arguments), needs="nothing"),
        "auth.test": Method(run=_auth_test),
        "auth.revoke": Method(run=_revoke),
        "users.info": Method(run=_user_info, scope="users:read"),
        "conversations.open": Method(run=_open_conversation, scope="im:write"),
    }


def _auth_test(world: "World", call: Call) -> Result:
    assert call.team is not None
    team = call.team
    return {
        "url": f"https://{team.domain}.slack.com/",
        "team": team.name,
        "user": team.bot_user.name,
        "team_id": team.id,
        "user_id": team.bot_user.id,
        "bot_id": team.bot_id,
        "is_enterprise_install": False,
    }


def _revoke(world: "World", call: Call) -> Result:
    assert call.team is not None
    if str(call.arguments.get("test")).lower() in ("1", "true"):
        return {"revoked": False}
    call.team.kill_token("token_revoked")
    return {"revoked": True}


def _user_info(world: "World", call: Call) -> Result:
    assert call.team is not None
    person = call.team.users.get(str(call.arguments.get("user")))
    if person is None:
        raise SlackError("user_not_found")
    with_locale = str(call.arguments.get("include_locale")).lower() in ("1", "true")
    return {"user": _user(person) | ({"locale": person.locale} if with_locale else {})}


def _user(person: "Person") -> dict[str, Any]:
    user: dict[str, Any] = {
        "id": person.id,
        "team_id": person.home_team_id,
        "name": person.name,
        "real_name": person.name.title(),
        "deleted": False,
        "tz": "Europe/Berlin",
        "tz_offset": 3600,
        "profile": {"real_name": person.name.title(), "display_name": person.name, "team": person.home_team_id},
        "is_bot": person.is_bot,
        "is_app_user": False,
        "updated": 1_700_000_000,
    }
    if person.is_stranger:
        return user | {"is_stranger": False}  # true only outside of shared channels, from where nobody reaches the app
    if person.home_team_id != person.team.id:
        user["enterprise_user"] = {"id": person.id, "teams": [person.home_team_id, person.team.id]}
    return user | {
        "is_admin": person.is_admin,
        "is_owner": person.is_owner,
        "is_primary_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
    }


def _open_conversation(world: "World", call: Call) -> Result:
    assert call.team is not None
    person = call.team.users.get(str(call.arguments.get("users")))
    if person is None or person.is_bot:
        raise SlackError("user_not_found")
    return {"channel": {"id": call.team.direct_channel(person).id}}
