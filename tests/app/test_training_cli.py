"""`mjprompt adapters` and `mjprompt tune` on the command line."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text
from typer.testing import CliRunner

from app.cli import cli
from core.errors import ConfigError, ModelError
from core.records import Identity, Platform, Thumb
from storage import training_runs, users
from storage.database import Session
from storage.training_runs import UsedVote
from tests.falcon.tiny_falcon import write_tiny_falcon
from tests.trainer.cycle_world import CycleWorld, at_once
from tests.trainer.tiny_adapter import DATA_HASH, record_for, write_tiny_adapter
from tests.trainer.tuning_files import write_search, write_train_config
from trainer.adapters.measure_table import MEASURES
from trainer.train_config import read_train_config

METRICS = {"base": {"perplexity": 9.0}, "candidate": {"perplexity": 7.5}}


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """Put the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level, structured = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**structured)


@pytest.fixture(autouse=True)
def no_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the commands away from whatever database this checkout has."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'none.db'}")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_falcon(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def folder(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two adapters, the second one newer and evaluated."""
    folder = tmp_path_factory.mktemp("adapters")
    made_at = record_for(model).created_at
    write_tiny_adapter(folder / "style-1", model)
    write_tiny_adapter(
        folder / "style-2", model, evaluate=lambda _: METRICS, created_at=made_at.replace(year=2027), run_id="01LATER"
    )
    return folder


def output_of(*arguments: str | Path, **environment: str) -> str:
    """Run one command and return its standard output; what it raises comes through."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], env=environment, catch_exceptions=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list_shows_the_newest_first_and_which_one_serves(folder: Path) -> None:
    lines = output_of("adapters", "list", "--folder", folder, ADAPTER=str(folder / "style-1")).splitlines()
    assert lines[0].split() == ["name", "base", "made", "at", "(UTC)", "loss", "data", "serves", "votes", "gone"]
    assert lines[1].split() == ["style-2", "tiny", "2027-11-25", "12:30", "2.7500", DATA_HASH[:12]]
    assert lines[2].split() == ["style-1", "tiny", "2026-11-25", "12:30", "2.7500", DATA_HASH[:12], "yes"]
    assert len(lines) == 3


def test_list_as_json_is_one_object(folder: Path) -> None:
    listed = json.loads(output_of("adapters", "list", "--folder", folder, "--json"))["adapters"]
    assert [(line["name"], line["is_serving"]) for line in listed] == [("style-2", False), ("style-1", False)]
    assert listed[1]["folder"] == str(folder / "style-1")
    assert listed[1]["nats_per_token"] == 2.75


def test_list_of_nothing_says_how_to_make_one(tmp_path: Path) -> None:
    assert output_of("adapters", "list", "--folder", tmp_path) == (
        f"There are no adapters below {tmp_path}; make one with `mjprompt train`.\n"
    )
    assert json.loads(output_of("adapters", "list", "--folder", tmp_path, "--json")) == {"adapters": []}


def test_show_tells_what_an_adapter_is_and_how_good(folder: Path, model: Path) -> None:
    shown = output_of("adapters", "show", "style-2", "--folder", folder)
    for part in (
        "2027-11-25 12:30 UTC by run 01LATER",
        "tiny at no revision, a folder",
        record_for(model).base.fingerprint,
        DATA_HASH,
        "r 4, lora_alpha 8, lr 0.0002, epochs 2.0",
        "steps 3, seconds 1.25",
        "every file is as its checksum says",
    ):
        assert part in shown, part
    perplexity = next(line for line in shown.splitlines() if line.startswith("perplexity"))
    assert perplexity.split() == ["perplexity", "9.00", "7.50", "lower"]
    assert sum(any(line.startswith(measure.label) for measure in MEASURES) for line in shown.splitlines()) >= 17
    assert "It was not evaluated." in output_of("adapters", "show", folder / "style-1")


def test_show_as_json_is_the_whole_record(folder: Path) -> None:
    shown = json.loads(output_of("adapters", "show", "style-2", "--folder", folder, "--json"))
    record = json.loads((folder / "style-2" / "training.json").read_text(encoding="utf-8"))
    assert shown == {"name": "style-2", "folder": str(folder / "style-2"), "lineage": None, **record}


async def taught(world: CycleWorld) -> None:
    """Add the run and adapter `01LATER`, which learned from ann's two votes and from one of bob's, who is forgotten."""
    presses: list[int] = []
    async with world.database.write() as session:
        await training_runs.create(session, base_model="tiny", base_revision=None, config={}, seed=0, run_id="01LATER")
        await training_runs.claim(session, "01LATER", host="h", process_id=1, folder="out", is_alive=lambda _: False)
        assert await training_runs.finish(session, "01LATER", metrics={}, adapter_folder="out")
    await world.vote("ann", [Thumb.UP, Thumb.DOWN])
    await world.vote("bob", [Thumb.UP])
    async with world.database.write() as session:
        presses += await session.scalars(text("SELECT id FROM vote_events ORDER BY id"))
        used = [UsedVote(vote_event_id=press, label="liked", example=f"e{press}") for press in presses]
        assert await training_runs.keep_votes(session, "01LATER", (), used) == 0
        await users.forget(session, await world_user(session, "bob"))


async def world_user(session: Session, name: str) -> str:
    return await users.ensure_user(session, Identity(platform=Platform.TERMINAL, external_id=name))


def test_adapter_that_lost_votes_is_marked_in_the_list_and_told_in_full(
    folder: Path, migrated_file: Path, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{shutil.copy(migrated_file, tmp_path / 'a.db')}"
    at_once(url, taught)
    later, other = json.loads(output_of("adapters", "list", "--folder", folder, "--json", DATABASE_URL=url))["adapters"]
    assert (later["num_forgotten"], other["num_forgotten"]) == (1, 0)
    listed = output_of("adapters", "list", "--folder", folder, DATABASE_URL=url).splitlines()
    assert listed[1].split()[-1] == "1"
    shown = output_of("adapters", "show", "style-2", "--folder", folder, DATABASE_URL=url)
    assert "learned from 2 votes of 1 people in 2 examples (2 liked)" in shown
    assert "gone since   1 more votes, with people who were forgotten; a new training is without them" in shown
    as_json = json.loads(output_of("adapters", "show", "style-2", "--folder", folder, "--json", DATABASE_URL=url))
    assert (as_json["lineage"]["num_votes"], as_json["lineage"]["num_forgotten"]) == (2, 1)


def test_missing_database_is_not_made_to_look_at_adapters(folder: Path, tmp_path: Path) -> None:
    assert "learned from not known to this database" in output_of("adapters", "show", "style-2", "--folder", folder)
    assert not (tmp_path / "none.db").exists()


def test_show_refuses_what_is_unknown_or_damaged(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no adapter 'style-3'; below .* there are: style-2, style-1\."):
        output_of("adapters", "show", "style-3", "--folder", folder)
    copy = Path(shutil.copytree(folder / "style-1", tmp_path / "style-1"))
    (copy / "curves.png").write_bytes(b"")
    with pytest.raises(ModelError, match=r"curves\.png is not as SHA256SUMS says"):
        output_of("adapters", "show", copy)


def test_push_says_where_the_adapter_is_now(folder: Path, tmp_path: Path) -> None:
    target = (tmp_path / "there").as_uri()
    assert output_of("adapters", "push", "style-1", target, "--folder", folder) == f"style-1 is now at {target}.\n"
    assert output_of("adapters", "push", "style-1", target, "--folder", folder) == f"style-1 was already at {target}.\n"


def test_tune_prints_its_trials_and_writes_settings_to_train_with(
    model: Path, migrated_file: Path, tmp_path: Path
) -> None:
    write_train_config(tmp_path, num_rows=40)
    write_search(tmp_path)
    database = shutil.copy(migrated_file, tmp_path / "mjprompt.db")
    options = {"config": "train.toml", "search": "tune.toml", "study": "study.db", "output": "best.toml"}
    arguments = [text for name, file in options.items() for text in (f"--{name}", str(tmp_path / file))]
    environment = {"MODEL_ID": str(model), "DATABASE_URL": f"sqlite+aiosqlite:///{database}"}

    told = json.loads(output_of("tune", "--trials", "1", "--json", *arguments, **environment))
    assert (told["best"], told["output"]) == (0, str(tmp_path / "best.toml"))
    [trial] = told["trials"]
    assert (trial["state"], trial["lr"], trial["r"]) == ("complete", 0.01, 2)
    assert read_train_config(tmp_path / "best.toml") == read_train_config(tmp_path / "train.toml")

    lines = output_of("tune", "--trials", "1", *arguments, **environment).splitlines()
    assert lines[0].split() == ["trial", "loss", "lr", "r", "lora_alpha", "epochs"]
    assert len(lines) == 4
    assert f"{trial['nats_per_token']:.4f}" in lines[1] + lines[2]
    assert lines[3].endswith(f"`mjprompt train --config {tmp_path / 'best.toml'}` trains with its settings.")
