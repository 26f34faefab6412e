"""`mjprompt retrain` and `mjprompt export`: what they say, what they refuse, and their exit statuses."""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from app.cli import cli
from app.cycle_view import gate_lines, state_line
from core.cycles import CycleState
from core.errors import ConfigError, InvalidData, MjpromptError, NotFound, TrainingBusy
from core.records import Thumb
from core.settings import PROJECT_ROOT
from tests.trainer.cycle_world import CycleWorld, at_once
from trainer.gate import Gate
from trainer.gate_verdict import compared

S = CycleState
UP, DOWN = Thumb.UP, Thumb.DOWN


@pytest.fixture(autouse=True)
def priority_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the priority of the process that tests: a child of `mjprompt run` lowers its own, and never gets it back."""
    monkeypatch.setattr(os, "nice", lambda _: 0)


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """Put the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level, structured = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**structured)


@pytest.fixture
def url(migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite+aiosqlite:///{shutil.copy(migrated_file, tmp_path / 'a.db')}"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("MODEL_ID", "pocket")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    monkeypatch.delenv("ADAPTER", raising=False)
    return url


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run one command and return its exit status and standard output; what it raises comes through."""
    result = CliRunner().invoke(cli, list(arguments), env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def refusal(kind: type[MjpromptError], *arguments: str, **environment: str) -> str:
    """Return the one sentence of a refusal, and see that no cycle was planned."""
    with pytest.raises(kind) as caught:
        run(*arguments, **environment)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def cycle_config(folder: Path, old: str = "", new: str = "") -> str:
    return changed(folder, "cycle.toml", old, new)


def changed(folder: Path, name: str, old: str, new: str) -> str:
    """Return a copy of a shipped configuration in which `old` reads `new`."""
    text = (PROJECT_ROOT / "configs" / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return str(folder / name)


def vote(url: str, **values: bool) -> None:
    at_once(url, lambda world: world.vote("ann", [UP, UP, DOWN], **values))  # type: ignore[arg-type]


def test_the_plan_says_what_the_votes_are_not_enough_for(url: str, tmp_path: Path) -> None:
    vote(url)
    config = cycle_config(tmp_path, "quarantine_hours = 24.0", "quarantine_hours = 0.0")
    status, said = run("retrain", "--plan", CYCLE_CONFIG=config)
    assert status == 0
    assert "- Came in: 3 votes of 1 people on 3 prompts." in said.splitlines()
    assert said.splitlines()[-1] == "Nothing would be trained: 47 more rated prompts are needed (3 of 50)."
    status, said = run("retrain", "--plan", "--json", CYCLE_CONFIG=config)
    plan = json.loads(said)
    assert (status, plan["objective"], plan["report"]["num_votes"]) == (0, "nothing", 3)


def test_the_plan_says_what_would_be_trained(url: str, tmp_path: Path) -> None:
    vote(url)
    text = Path(cycle_config(tmp_path, "quarantine_hours = 24.0", "quarantine_hours = 0.0")).read_text()
    (tmp_path / "few.toml").write_text(text.replace("min_rated_prompts = 50", "min_rated_prompts = 2"))
    _, said = run("retrain", "--plan", CYCLE_CONFIG=str(tmp_path / "few.toml"))
    assert "Would train (supervised): 3 rated prompts are enough" in said
    assert said.splitlines()[-1] == "3 examples to learn from, 0 held out to measure on."


def test_without_votes_nothing_is_begun(url: str) -> None:
    assert refusal(InvalidData, "retrain") == "50 more rated prompts are needed (0 of 50)."
    assert at_once(url, no_cycle)


def test_where_nobody_agreed_that_is_what_is_missing(url: str) -> None:
    vote(url, is_agreed=False)
    sentence = "None of those who cast the 3 votes has agreed to be learned from yet; they do by /privacy."
    assert refusal(InvalidData, "retrain") == sentence
    assert run("retrain", "--plan")[1].splitlines()[-1] == f"Nothing would be trained: {sentence}"
    assert at_once(url, no_cycle)


async def no_cycle(world: CycleWorld) -> bool:
    from storage import cycles  # noqa: PLC0415

    async with world.database.read() as session:
        return await cycles.latest(session) is None


def test_an_adapter_that_is_set_for_good_is_named(url: str, tmp_path: Path) -> None:
    said = refusal(ConfigError, "retrain", ADAPTER=str(tmp_path))
    assert said == (
        f"ADAPTER = {tmp_path} keeps the workers on that folder, so nothing that is learned could serve; "
        "take ADAPTER out."
    )


def test_a_generator_that_could_run_no_canary_is_named_before_anything_is_trained(url: str) -> None:
    said = refusal(ConfigError, "retrain", ENGINE="transformers")
    assert said == (
        "ENGINE = transformers answers with one adapter at a time, so no canary could try what is learned; set "
        "ENGINE=auto."
    )
    assert at_once(url, no_cycle)


@pytest.mark.parametrize(("name", "section"), [("gate.toml", "[loss]"), ("cycle.toml", "[feedback]")])
def test_an_unknown_key_of_a_configuration_is_named(url: str, tmp_path: Path, name: str, section: str) -> None:
    file = changed(tmp_path, name, section, f"{section}\ncolour = 'red'")
    said = refusal(ConfigError, "retrain", **{f"{Path(name).stem.upper()}_CONFIG": file})
    assert "unknown key 'colour'; the keys are" in said
    assert name in said
    assert at_once(url, no_cycle)


def test_another_open_cycle_is_named(url: str, tmp_path: Path) -> None:
    vote(url)
    text = Path(cycle_config(tmp_path, "quarantine_hours = 24.0", "quarantine_hours = 0.0")).read_text()
    (tmp_path / "few.toml").write_text(text.replace("min_rated_prompts = 50", "min_rated_prompts = 2"))
    cycle = at_once(url, lambda world: world.cycle(S.CANARY))
    said = refusal(TrainingBusy, "retrain", CYCLE_CONFIG=str(tmp_path / "few.toml"))
    assert said == f"The cycle {cycle.id} is open, in the state canary; wait for its end, or cancel it."


def test_a_cycle_of_another_process_or_of_nobody_is_refused(url: str) -> None:
    cycle = at_once(url, lambda world: world.cycle(S.TRAINING))
    at_once(url, lambda world: world.take_over(cycle.id))
    assert "is carried out by process 1 on elsewhere" in refusal(TrainingBusy, "retrain", "--cycle", cycle.id)
    assert "There is no open cycle gone" in refusal(NotFound, "retrain", "--cycle", "gone")


def test_a_cycle_that_cannot_be_carried_out_fails_with_its_reason(url: str) -> None:
    """The base model of the test's cycles has another name than MODEL_ID means."""
    cycle = at_once(url, lambda world: world.cycle(S.PLANNED))
    status, said = run("retrain", "--cycle", cycle.id, MODEL_ID="tiiuae/falcon-7b")
    assert status == 1
    assert "and MODEL_ID now means tiiuae/falcon-7b; set MODEL_ID as it was" in said.splitlines()[-1]


def test_a_canary_that_has_begun_is_a_good_end_and_json_is_all_of_it(url: str) -> None:
    cycle = at_once(url, lambda world: world.cycle(S.CANARY))
    status, said = run("retrain", "--cycle", cycle.id)
    assert (status, said) == (0, f"{state_line(cycle)}\n"), "it is said once"
    status, said = run("retrain", "--cycle", cycle.id, "--json")
    shown = json.loads(said)
    assert (status, shown["id"], shown["state"], shown["adapter"]) == (0, cycle.id, "canary", cycle.adapter)
    assert [state for state, _ in shown["history"]][-1] == "canary"


def test_waiting_ends_with_the_canarys_decision(url: str, tmp_path: Path) -> None:
    cycle = at_once(url, lambda world: world.cycle(S.CANARY))
    at_once(url, lambda world: world.vote("ann", [DOWN] * 10, adapter=cycle.adapter))
    at_once(url, lambda world: world.vote("ann", [UP] * 10))
    config = cycle_config(tmp_path, "min_votes = 40", "min_votes = 10")
    status, said = run("retrain", "--cycle", cycle.id, "--wait", CYCLE_CONFIG=config)
    assert status == 4
    assert "rejected: Liked share in the canary 0 % against 100 %" in said.splitlines()[-1]


def test_every_state_has_words(url: str) -> None:
    from app.cycle_view import IN_WORDS  # noqa: PLC0415

    assert set(IN_WORDS) == set(CycleState)


def test_the_gates_table_is_aligned() -> None:
    test = compared(
        "loss", "held-out loss", 2.0, 2.1, bound=2.02, is_higher_better=False, is_share=False, sentence="Worse."
    )
    heading, line = gate_lines(Gate(tests=(test,), is_passed=False).as_dict())
    assert heading.index("verdict") == line.index("failed")


def test_an_export_says_how_many_rows_it_wrote_and_names_nobody(url: str, tmp_path: Path) -> None:
    vote(url)
    at_once(url, lambda world: world.vote("eve", [UP], is_agreed=False))
    file = tmp_path / "votes.jsonl"
    status, said = run("export", str(file))
    assert (status, said) == (0, f"3 rows are in {file}; nobody is named in them.\n")
    assert len(file.read_text().splitlines()) == 3
    assert "exists already" in refusal(ConfigError, "export", str(file))


def test_an_export_of_nothing_is_refused(url: str, tmp_path: Path) -> None:
    vote(url, is_agreed=False)
    assert "There is nothing to export in this form" in refusal(InvalidData, "export", str(tmp_path / "votes"))
    assert not (tmp_path / "votes").exists()
