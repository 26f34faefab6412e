"""A small plain bolt app that the fake's own tests talk to, by Socket Mode or by HTTP.

It has nothing of the real bot: it shows that the fake works with the unmodified SDK.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.oauth.installation_store import FileInstallationStore
from slack_sdk.oauth.state_store import FileOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.workspaces import Team

Json = Mapping[str, Any]
SCOPES = ["commands", "chat:write", "users:read"]
quiet = logging.getLogger("tests.fakes.slack.tiny_app")
quiet.setLevel(logging.CRITICAL)


def button_blocks(label: str) -> list[dict[str, Any]]:
    """Return a text and a button that counts up."""
    text = {"type": "plain_text", "text": label}
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": "Votes"}},
        {"type": "actions", "elements": [{"type": "button", "action_id": "vote", "value": label, "text": text}]},
    ]


def form() -> dict[str, Any]:
    """Return a modal with one required text."""
    element = {"type": "plain_text_input", "action_id": "text", "max_length": 300}
    label = {"type": "plain_text", "text": "Idea"}
    return {
        "type": "modal",
        "callback_id": "form",
        "title": {"type": "plain_text", "text": "Remix"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [{"type": "input", "block_id": "idea", "label": label, "element": element}],
    }


class TinyApp:
    """The app's handlers, and what they saw."""

    def __init__(self, app: AsyncApp) -> None:
        self.app = app
        self.seen: list[str] = []
        self.headers: list[Mapping[str, Any]] = []
        app.command("/ask")(self.ask)
        app.command("/ephemeral")(self.ephemeral)
        app.action("vote")(self.vote)
        app.command("/form")(self.open_form)
        app.view("form")(self.form_sent)
        app.shortcut("make")(self.shortcut)
        app.event("app_home_opened")(self.home)
        app.event("app_uninstalled")(self.note)
        app.event("tokens_revoked")(self.note)

    async def ask(self, ack: Any, command: Json, client: AsyncWebClient) -> None:
        await ack()
        self.seen.append(command["text"])
        await client.chat_postMessage(channel=command["channel_id"], text="Votes", blocks=button_blocks("👍 0"))

    async def ephemeral(self, ack: Any, command: Json) -> None:
        self.seen.append(command["text"])
        await ack(text=f"You said {command['text']}", response_type="ephemeral")

    async def vote(self, ack: Any, body: Json, action: Json, respond: Any) -> None:
        await ack()
        self.seen.append(str(action.get("value")))
        count = int(str(action["value"]).rpartition(" ")[2]) + 1
        await respond(text="Votes", blocks=button_blocks(f"👍 {count}"), replace_original=True)

    async def open_form(self, ack: Any, command: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=command["trigger_id"], view=form())

    async def form_sent(self, ack: Any, view: Json) -> None:
        text = view["state"]["values"]["idea"]["text"]["value"]
        self.seen.append(text)
        if text == "bad":
            await ack(response_action="errors", errors={"idea": "Not that one."})
        else:
            await ack()

    async def shortcut(self, ack: Any, shortcut: Json, respond: Any) -> None:
        await ack()
        self.seen.append(shortcut["message"]["text"])
        await respond(text="Made.")

    async def home(self, event: Json, request: Any, client: AsyncWebClient) -> None:
        self.headers.append(request.headers)
        block = {"type": "header", "text": {"type": "plain_text", "text": "Home"}}
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [block]})
        self.seen.append("home")

    async def note(self, event: Json) -> None:
        self.seen.append(event["type"])


def client_of(slack: FakeSlack, token: str | None) -> AsyncWebClient:
    """Return the SDK's client, pointed at the fake."""
    client = AsyncWebClient(token=token, base_url=slack.api_base, logger=quiet)
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=2))
    return client


@asynccontextmanager
async def socket_app(slack: FakeSlack, team: Team) -> AsyncIterator[TinyApp]:
    """Run the app in Socket Mode for one team."""
    app = AsyncApp(client=client_of(slack, team.bot_token), logger=quiet)
    tiny = TinyApp(app)
    handler: Any = AsyncSocketModeHandler(app, slack.app_token, ping_interval=0.5)
    await handler.connect_async()
    try:
        await slack.wait_until_connected()
        yield tiny
    finally:
        await handler.close_async()


@asynccontextmanager
async def http_app(slack: FakeSlack, team: Team) -> AsyncIterator[TinyApp]:
    """Run the app as a web server for one team, and let the fake send its requests there."""
    app = AsyncApp(client=client_of(slack, team.bot_token), signing_secret=slack.signing_secret, logger=quiet)
    async with _served(slack, app):
        yield TinyApp(app)


@asynccontextmanager
async def oauth_app(slack: FakeSlack, folder: str) -> AsyncIterator[tuple[TinyApp, str]]:
    """Run the app for many teams; yield it and the address of its installation page."""
    settings = AsyncOAuthSettings(
        client_id=slack.client_id,
        client_secret=slack.client_secret,
        scopes=SCOPES,
        redirect_uri="http://placeholder/slack/oauth_redirect",
        authorization_url=slack.authorize_url,
        installation_store=FileInstallationStore(base_dir=folder, client_id=slack.client_id),
        state_store=FileOAuthStateStore(expiration_seconds=60, base_dir=folder, client_id=slack.client_id),
        install_page_rendering_enabled=False,
    )
    client = client_of(slack, None)
    app = AsyncApp(client=client, signing_secret=slack.signing_secret, oauth_settings=settings, logger=quiet)
    async with _served(slack, app) as base_url:
        settings.redirect_uri = f"{base_url}/slack/oauth_redirect"
        settings.authorize_url_generator.redirect_uri = settings.redirect_uri
        assert app.oauth_flow is not None
        app.oauth_flow.redirect_uri = settings.redirect_uri
        yield TinyApp(app), f"{base_url}/slack/install"


@asynccontextmanager
async def _served(slack: FakeSlack, app: AsyncApp) -> AsyncIterator[str]:
    runner = web.AppRunner(app.server().web_app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    slack.transport, slack.request_url = "http", f"{base_url}/slack/events"
    try:
        yield base_url
    finally:
        await runner.cleanup()


def browser() -> aiohttp.ClientSession:
    """Return a browser that keeps cookies for a bare address."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
