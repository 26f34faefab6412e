"""The manifests ask Slack for exactly what the code registers and uses, no more and no less."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from slack_bolt.async_app import AsyncApp

from bot.slack import surface
from bot.slack.commands.table import COMMANDS
from bot.slack.listeners import Listeners
from core.settings import PROJECT_ROOT

MANIFESTS = sorted((PROJECT_ROOT / "configs" / "slack").glob("manifest-*.yaml"))
API_METHODS_AND_SCOPES = {
    "auth_test": None,
    "apps_connections_open": None,
    "chat_delete": "chat:write",
    "chat_postEphemeral": "chat:write",
    "chat_postMessage": "chat:write",
    "chat_update": "chat:write",
    "users_info": "users:read",
    "views_open": None,
    "views_publish": None,
}
IMPLIED_SCOPES = {"commands", "chat:write.public"}  # slash commands and shortcuts; public channels not joined


class RecordingApp(AsyncApp):
    """Bolt's app that remembers what was registered."""

    def __init__(self) -> None:
        super().__init__(token="xoxb-1", signing_secret="s", name="recording")
        self.registered: dict[str, list[str]] = {"command": [], "event": [], "shortcut": []}

    def command(self, command: str, *args: Any, **kwargs: Any) -> Any:
        self.registered["command"].append(command)
        return super().command(command, *args, **kwargs)

    def event(self, event: Any, *args: Any, **kwargs: Any) -> Any:
        self.registered["event"].append(event)
        return super().event(event, *args, **kwargs)

    def shortcut(self, constraints: Any, *args: Any, **kwargs: Any) -> Any:
        self.registered["shortcut"].append(constraints)
        return super().shortcut(constraints, *args, **kwargs)


def read(manifest: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    return content


def test_there_is_a_manifest_for_each_way() -> None:
    assert [manifest.name for manifest in MANIFESTS] == ["manifest-http.yaml", "manifest-socket.yaml"]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest.stem)
async def test_manifest_names_what_the_code_registers(manifest: Path) -> None:
    app, content = RecordingApp(), read(manifest)
    Listeners(None, None).register(app)
    features, settings = content["features"], content["settings"]
    assert [each["command"] for each in features["slash_commands"]] == app.registered["command"]
    assert [each["callback_id"] for each in features["shortcuts"]] == app.registered["shortcut"]
    assert {each["type"] for each in features["shortcuts"]} == {"message"}
    assert sorted(settings["event_subscriptions"]["bot_events"]) == sorted(app.registered["event"])
    assert len(app.registered["event"]) == 3
    assert settings["interactivity"]["is_enabled"] is True
    assert features["app_home"]["home_tab_enabled"] is True
    assert len(app.registered["command"]) == len(COMMANDS) == 9


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest.stem)
def test_manifest_asks_for_the_scopes_of_the_methods_that_the_code_calls(manifest: Path) -> None:
    sources = (PROJECT_ROOT / "bot" / "slack").rglob("*.py")
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    called = set(re.findall(r"\.((?:auth|apps|chat|users|views|conversations|files|reactions|im)_\w+)\(", text))
    assert called == set(API_METHODS_AND_SCOPES)
    needed = {scope for scope in API_METHODS_AND_SCOPES.values() if scope} | IMPLIED_SCOPES
    scopes = read(manifest)["oauth_config"]["scopes"]
    assert set(scopes) == {"bot"}
    assert set(scopes["bot"]) == needed == set(surface.SCOPES)
    assert not [scope for scope in scopes["bot"] if "history" in scope]


def test_manifests_differ_only_in_how_slack_reaches_the_bot() -> None:
    http, socket = (read(manifest) for manifest in MANIFESTS)
    assert socket["settings"]["socket_mode_enabled"] is True
    assert http["settings"]["socket_mode_enabled"] is False
    assert {each.pop("url").partition(".com")[2] for each in http["features"]["slash_commands"]} == {
        surface.EVENTS_PATH
    }
    assert http["oauth_config"].pop("redirect_urls")[0].endswith(surface.REDIRECT_PATH)
    for part in ("event_subscriptions", "interactivity"):
        assert http["settings"][part].pop("request_url").endswith(surface.EVENTS_PATH)
    http["settings"]["socket_mode_enabled"] = True
    assert http == socket
