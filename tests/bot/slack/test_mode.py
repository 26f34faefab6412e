"""Which settings lead to which way of talking to Slack, and what half-set ones are told."""

import pytest

from bot.slack.mode import SlackMode, is_configured, slack_mode
from core.errors import ConfigError
from core.settings import Settings, load_settings

BOT, APP, SIGNING = {"slack_bot_token": "xoxb-1"}, {"slack_app_token": "xapp-1"}, {"slack_signing_secret": "s"}
CLIENT_ID, CLIENT_SECRET = {"slack_client_id": "1.2"}, {"slack_client_secret": "c"}
KEYS = {"token_encryption_keys": "k"}


def settings_with(*parts: dict[str, str]) -> Settings:
    merged: dict[str, object] = {name: value for part in parts for name, value in part.items()}
    return load_settings(_env_file=None, **merged)


@pytest.mark.parametrize(
    ("parts", "mode"),
    [
        ([], SlackMode.OFF),
        ([KEYS], SlackMode.OFF),
        ([BOT, APP], SlackMode.SOCKET),
        ([BOT, APP, SIGNING], SlackMode.SOCKET),
        ([BOT, SIGNING], SlackMode.HTTP),
        ([SIGNING, CLIENT_ID, CLIENT_SECRET, KEYS], SlackMode.OAUTH),
    ],
)
def test_settings_decide_the_mode(parts: list[dict[str, str]], mode: SlackMode) -> None:
    settings = settings_with(*parts)
    assert slack_mode(settings) is mode
    assert is_configured(settings) is (mode is not SlackMode.OFF)


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ([BOT], ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"]),
        ([APP], ["SLACK_APP_TOKEN", "SLACK_BOT_TOKEN"]),
        ([SIGNING], ["SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN", "SLACK_CLIENT_ID"]),
        ([CLIENT_ID, CLIENT_SECRET, KEYS], ["SLACK_SIGNING_SECRET"]),
        ([SIGNING, CLIENT_ID], ["SLACK_CLIENT_SECRET", "TOKEN_ENCRYPTION_KEYS"]),
        ([SIGNING, CLIENT_SECRET, KEYS], ["SLACK_CLIENT_ID"]),
        ([SIGNING, CLIENT_ID, CLIENT_SECRET], ["TOKEN_ENCRYPTION_KEYS"]),
        ([BOT, SIGNING, CLIENT_ID, CLIENT_SECRET, KEYS], ["SLACK_BOT_TOKEN", "SLACK_CLIENT_ID"]),
        ([BOT, APP, CLIENT_ID, CLIENT_SECRET, KEYS], ["SLACK_APP_TOKEN", "SLACK_CLIENT_ID"]),
    ],
)
def test_half_set_settings_are_told_what_is_missing(parts: list[dict[str, str]], names: list[str]) -> None:
    with pytest.raises(ConfigError) as refusal:
        slack_mode(settings_with(*parts))
    for name in names:
        assert name in str(refusal.value)
