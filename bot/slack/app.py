"""Bolt's app with our listeners: authorised from our accounts, silent about what people type.

It knows no transport.
"""

from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow

from bot.recent import RecentPresses
from bot.redraws import Redraws
from bot.services import Services
from bot.slack.authorize import AuthorizeByAccount
from bot.slack.clients import Accounts, Clients, WorkspaceClients
from bot.slack.desk import Desk
from bot.slack.installations import InstallationStore
from bot.slack.lifecycle import Lifecycle
from bot.slack.listeners import Listeners
from bot.slack.people import People
from bot.slack.recent import KnownHomes, UsedTriggers
from bot.slack.replies import Replies
from bot.slack.sdk_logs import sdk_logger

APP_NAME = "mjprompt"
NOT_INSTALLED = "This bot is not installed in your workspace; ask the workspace's admins to install it."


def open_desk(services: Services, clients: Clients, accounts: Accounts) -> Desk:
    """Put together what handlers need."""
    patient = WorkspaceClients(clients, accounts, is_patient=True)
    return Desk(
        services=services,
        clients=patient,
        replies=Replies(patient, clients.session),
        people=People(patient),
        redraws=Redraws(),
        presses=RecentPresses(),
        triggers=UsedTriggers(),
        homes=KnownHomes(),
    )


def create_app(
    desk: Desk,
    clients: Clients,
    accounts: Accounts,
    *,
    store: InstallationStore | None = None,
    flow: AsyncOAuthFlow | None = None,
) -> tuple[AsyncApp, Listeners]:
    """Return Bolt's app and the listeners behind it; HTTP requests are verified before they reach it."""
    authorize: Any = AuthorizeByAccount(accounts)  # Bolt takes its own class too, which its annotation leaves out
    app = AsyncApp(
        name=APP_NAME,
        logger=sdk_logger(),
        client=clients.bare,
        authorize=authorize,
        oauth_flow=flow,
        request_verification_enabled=False,  # bot/slack/site.py does it
        raise_error_for_unhandled_request=True,
        user_facing_authorize_error_message=NOT_INSTALLED,
    )
    listeners = Listeners(desk, Lifecycle(desk.services, accounts, store))
    listeners.register(app)
    return app, listeners
