"""Settings from the environment and `.env`."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from core.errors import ConfigError
from core.settings import POCKET_FOLDER, PROJECT_ROOT, Settings, load_settings

SECRETS = (
    "web_password",
    "discord_token",
    "slack_bot_token",
    "slack_app_token",
    "slack_signing_secret",
    "slack_client_secret",
    "token_encryption_keys",
)


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting comes from where the tests run."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def refusal(**overrides: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(**overrides)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_defaults_run_the_local_chat_with_the_shipped_files() -> None:
    settings = load_settings()
    assert (settings.model_id, settings.precision, settings.web_host) == ("auto", "auto", "127.0.0.1")
    assert settings.decode_config == PROJECT_ROOT / "configs" / "decode.toml"
    assert settings.decode_config.is_file()
    assert POCKET_FOLDER.is_dir()
    assert settings.database_url.startswith("sqlite+aiosqlite:///")


def test_environment_wins_over_env_file_and_overrides_win_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("WEB_PORT=1111\nMODEL_ID=from-file\nLOG_LEVEL=ERROR\n", encoding="utf-8")
    monkeypatch.setenv("WEB_PORT", "2222")
    monkeypatch.setenv("MODEL_ID", "from-environment")
    settings = load_settings(model_id="from-override")
    assert (settings.model_id, settings.web_port, settings.log_level) == ("from-override", 2222, "ERROR")


def test_names_of_other_programs_in_the_env_file_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SOMETHING_ELSE=1\n", encoding="utf-8")
    assert load_settings().web_port == 8765


@pytest.mark.parametrize("name", ["model_revision", "adapter", "max_batch_requests", *SECRETS])
def test_empty_value_is_the_same_as_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name.upper(), "")
    assert getattr(load_settings(), name) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRECISION", "int8"),
        ("MIDJOURNEY_VERSION", "99"),
        ("WEB_PORT", "-1"),
        ("WEB_PORT", "65536"),
        ("WEB_PORT", "http"),
        ("REQUEST_TIMEOUT_SECONDS", "0"),
        ("MAX_QUEUE_LENGTH", "0"),
        ("MAX_OPEN_REQUESTS_PER_USER", "0"),
        ("LEASE_SECONDS", "-3"),
        ("MAX_ATTEMPTS", "0"),
        ("MAX_BATCH_REQUESTS", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_impossible_value_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    message = refusal()
    assert message.startswith(f"{name}: ")
    assert message.endswith("change it in the environment or in .env.")


@pytest.mark.parametrize(("typed", "version"), [("8.2", "8.2"), ("v7", "7"), ("niji7", "niji 7")])
def test_midjourneys_version_is_taken_as_people_write_it(typed: str, version: str) -> None:
    assert load_settings(midjourney_version=typed).midjourney_version == version


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "chat.example"])
def test_web_chat_beyond_this_machine_needs_a_password(host: str) -> None:
    message = refusal(web_host=host)
    assert f"WEB_HOST={host}" in message
    assert "set WEB_PASSWORD, or WEB_HOST=127.0.0.1" in message
    assert "WEB_PASSWORD" in refusal(web_host=host, web_password="")
    assert load_settings(web_host=host, web_password="a-long-one").web_host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_web_chat_on_this_machine_needs_none(host: str) -> None:
    assert load_settings(web_host=host).web_password is None


@pytest.mark.parametrize("name", SECRETS)
def test_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name.upper(), "a-secret-value")
    settings = load_settings()
    assert getattr(settings, name).get_secret_value() == "a-secret-value"
    assert "a-secret-value" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_refusal_does_not_repeat_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "a-secret-value")
    assert "a-secret-value" not in refusal(web_port=-1)


def test_every_credential_is_kept_as_a_secret() -> None:
    credentials = {name for name in Settings.model_fields if name.endswith(("_token", "_password", "_secret", "_keys"))}
    assert credentials == set(SECRETS)


def test_settings_do_not_change_once_they_are_read() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.web_port = 1  # type: ignore[misc]
