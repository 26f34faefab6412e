"""The doctor's report, line by line."""

import asyncio
import hashlib
import json
import logging
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.cli import cli
from app.doctor import Check, Level, examine
from core.records import WorkerState
from core.settings import Settings, load_settings
from falcon.serving_metrics import ServingMetrics
from storage import workers
from storage.database import open_database
from tests.app.tiny_model import write_tiny_model

RunDoctor = Callable[..., Result]
NAMES = [
    "python",
    "torch",
    "threads",
    "model files",
    "checksums",
    "tokenizer",
    "memory",
    "decoding",
    "database",
    "disk",
    "web port",
    "serving",
    "learning",
    "chats",
    "secrets",
]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model(folder)
    return folder


@pytest.fixture
def settings(tmp_path: Path, migrated_file: Path, tiny_model: Path) -> Settings:
    """Settings with which everything is well."""
    shutil.copy(migrated_file, tmp_path / "doctor.db")
    shutil.copytree(tiny_model, tmp_path / "tiny")
    return load_settings(
        _env_file=None,
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'doctor.db'}",
        model_id=str(tmp_path / "tiny"),
        web_port=0,
    )


def report(settings: Settings, **changes: object) -> dict[str, Check]:
    return {check.name: check for check in examine(settings.model_copy(update=changes))}


def test_everything_is_well_where_nothing_is_missing(settings: Settings) -> None:
    checks = report(settings)
    assert list(checks) == NAMES
    assert {check.level for check in checks.values()} == {Level.OK}, checks


def test_secrets_are_said_to_be_set_but_never_shown(settings: Settings) -> None:
    secret = load_settings(_env_file=None, discord_token="a-secret-value").discord_token
    checks = report(settings, discord_token=secret)
    assert "DISCORD_TOKEN set" in checks["secrets"].message
    assert "SLACK_BOT_TOKEN not set" in checks["secrets"].message
    assert "a-secret-value" not in repr(checks)


def test_missing_model_folder_fails_once_and_says_what_to_set(settings: Settings) -> None:
    checks = report(settings, model_id="/nowhere/model")
    failed = [check.name for check in checks.values() if check.level is Level.FAIL]
    assert failed == ["model files"]
    assert "/nowhere/model" in checks["model files"].message
    assert "MODEL_ID" in checks["model files"].message


def test_hub_model_that_is_not_downloaded_is_a_warning(settings: Settings) -> None:
    checks = report(settings, model_id="nobody/no-such-model")
    assert checks["model files"].level is Level.WARN
    assert "nobody/no-such-model" in checks["model files"].message


def test_checksums_are_compared_where_the_model_brings_them(settings: Settings) -> None:
    folder = Path(settings.model_id)
    weights = folder / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  model.safetensors\n")
    assert report(settings)["checksums"].message == "1 files are as SHA256SUMS lists them"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    checks = report(settings)
    assert checks["checksums"].level is Level.FAIL
    assert "model.safetensors is damaged" in checks["checksums"].message


def test_bad_decoding_settings_fail(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "decode.toml"
    file.write_text("[beam_search]\nnum_beams = 'many'\n")
    checks = report(settings, decode_config=file)
    assert checks["decoding"].level is Level.FAIL
    assert str(file) in checks["decoding"].message


def test_database_that_is_not_there_yet_is_well_and_stays_away(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    checks = report(settings, database_url=f"sqlite+aiosqlite:///{file}")
    assert checks["database"].level is Level.OK
    assert not file.exists()


def test_database_of_another_revision_fails_and_names_the_command(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    with sqlite3.connect(file) as old:
        old.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        old.execute("INSERT INTO alembic_version VALUES ('0000')")
    old.close()
    checks = report(settings, database_url=f"sqlite+aiosqlite:///{file}")
    assert checks["database"].level is Level.FAIL


def test_port_in_use_fails_and_names_it(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        checks = report(settings, web_port=port)
    assert checks["web port"].level is Level.FAIL
    assert str(port) in checks["web port"].message
    assert "WEB_PORT" in checks["web port"].message


@pytest.fixture
def run_doctor(settings: Settings) -> Iterator[RunDoctor]:
    """Run the command in this process, where the model's libraries are loaded already."""
    root = logging.getLogger()
    handlers, level, structured = root.handlers[:], root.level, structlog.get_config()

    def run(*arguments: str, model_id: str = settings.model_id) -> Result:
        environment = {"DATABASE_URL": settings.database_url, "WEB_PORT": "0", "MODEL_ID": model_id}
        return CliRunner().invoke(cli, ["doctor", *arguments], env=environment)

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**structured)


def test_command_exits_1_when_something_fails_and_prints_one_object(run_doctor: RunDoctor) -> None:
    ended = run_doctor("--json", model_id="/nowhere/model")
    assert (ended.exit_code, ended.stderr) == (1, "")
    shown = json.loads(ended.stdout)
    assert shown["is_healthy"] is False
    assert [check["name"] for check in shown["checks"]] == NAMES


def test_command_prints_a_line_a_check_and_exits_0(run_doctor: RunDoctor) -> None:
    ended = run_doctor()
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["OK"] * len(NAMES)


def test_half_set_slack_fails_and_names_what_is_missing(settings: Settings) -> None:
    token = load_settings(_env_file=None, slack_bot_token="xoxb-1").slack_bot_token
    check = report(settings, slack_bot_token=token)["chats"]
    assert check.level is Level.FAIL
    assert "SLACK_APP_TOKEN" in check.message


def test_chats_that_are_set_up_are_named(settings: Settings) -> None:
    secrets = load_settings(_env_file=None, discord_token="d", slack_bot_token="b", slack_app_token="a")
    names = ("discord_token", "slack_bot_token", "slack_app_token")
    check = report(settings, **{name: getattr(secrets, name) for name in names})["chats"]
    assert check.message == "Discord set up; Slack set up for one workspace over Socket Mode"


def test_live_workers_are_described_and_without_any_all_is_well(settings: Settings) -> None:
    assert report(settings)["serving"].message == "no worker is running"
    asyncio.run(_announce(settings))
    serving = report(settings)["serving"]
    assert serving.level is Level.OK
    assert serving.message.startswith("worker w1 (ready): 12 rows in use, ")


async def _announce(settings: Settings) -> None:
    metrics = ServingMetrics()
    metrics.set_load(num_rows=12, num_requests=1)
    database = open_database(settings.database_url)
    async with database.write() as session:
        await workers.announce(session, "w1", WorkerState.READY, None, metrics=metrics.snapshot())
    await database.close()


def test_a_gate_with_an_unknown_key_is_a_failed_line(settings: Settings, tmp_path: Path) -> None:
    gate = tmp_path / "gate.toml"
    text = settings.gate_config.read_text(encoding="utf-8")
    gate.write_text(text.replace("max_rise_share", "max_rize"), encoding="utf-8")
    check = report(settings.model_copy(update={"gate_config": gate}))["learning"]
    assert check.level is Level.FAIL
    assert "unknown key 'max_rize'" in check.message
