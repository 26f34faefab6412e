"""Which way Slack reaches the bot, as the settings decide it: a pure look at which of them are set.

It opens nothing and knows no SDK.
"""

from enum import StrEnum

from core.errors import ConfigError
from core.settings import Settings


class SlackMode(StrEnum):
    """One meaning a way."""

    OFF = "off"  # nothing of Slack is set
    SOCKET = "socket"  # one workspace, over a WebSocket that the bot opens
    HTTP = "http"  # one workspace, over HTTP requests that Slack signs
    OAUTH = "oauth"  # many workspaces over HTTP, each installed from a browser


def is_configured(settings: Settings) -> bool:
    """Tell whether the settings ask for Slack.

    Raises:
        ConfigError: they ask for it, and do not say enough.
    """
    return slack_mode(settings) is not SlackMode.OFF


def slack_mode(settings: Settings) -> SlackMode:
    """Decide how to talk to Slack.

    Raises:
        ConfigError: the settings fit no way, or two; the sentence names what is missing or too much.
    """
    has_oauth = _is_any_set(settings.slack_client_id, settings.slack_client_secret)
    if settings.slack_app_token is not None:
        return _socket(settings, has_oauth=has_oauth)
    if settings.slack_signing_secret is not None:
        return _http(settings, has_oauth=has_oauth)
    if has_oauth:
        raise ConfigError(
            "SLACK_CLIENT_ID and SLACK_CLIENT_SECRET need SLACK_SIGNING_SECRET as well; "
            "copy it from the app's Basic Information page."
        )
    if settings.slack_bot_token is not None:
        raise ConfigError(
            "SLACK_BOT_TOKEN is set alone; add SLACK_APP_TOKEN (xapp-…) for Socket Mode, "
            "or SLACK_SIGNING_SECRET for HTTP."
        )
    return SlackMode.OFF


def _socket(settings: Settings, *, has_oauth: bool) -> SlackMode:
    if has_oauth:
        raise ConfigError(
            "SLACK_APP_TOKEN is for one workspace and SLACK_CLIENT_ID for many; unset SLACK_APP_TOKEN, "
            "or SLACK_CLIENT_ID and SLACK_CLIENT_SECRET."
        )
    if settings.slack_bot_token is None:
        raise ConfigError("SLACK_APP_TOKEN needs SLACK_BOT_TOKEN (xoxb-…) as well; install the app to get it.")
    return SlackMode.SOCKET


def _http(settings: Settings, *, has_oauth: bool) -> SlackMode:
    if not has_oauth:
        if settings.slack_bot_token is None:
            raise ConfigError(
                "SLACK_SIGNING_SECRET needs SLACK_BOT_TOKEN for one workspace, or SLACK_CLIENT_ID, "
                "SLACK_CLIENT_SECRET and TOKEN_ENCRYPTION_KEYS for many."
            )
        return SlackMode.HTTP
    if settings.slack_bot_token is not None:
        raise ConfigError("SLACK_BOT_TOKEN is for one workspace and SLACK_CLIENT_ID for many; unset one of them.")
    _require_oauth(settings)
    return SlackMode.OAUTH


def _require_oauth(settings: Settings) -> None:
    parts = {
        "SLACK_CLIENT_ID": settings.slack_client_id,
        "SLACK_CLIENT_SECRET": settings.slack_client_secret,
        "TOKEN_ENCRYPTION_KEYS": settings.token_encryption_keys,
    }
    missing = [name for name, value in parts.items() if value is None]
    if missing:
        raise ConfigError(
            f"Slack for many workspaces needs {' and '.join(missing)} as well; set it, or unset the rest."
        )


def _is_any_set(*values: object) -> bool:
    return any(value is not None for value in values)
