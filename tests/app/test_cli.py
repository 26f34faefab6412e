"""The command line: what it prints where, and its exit statuses."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import time

import pytest

from core.settings import PROJECT_ROOT
from storage import migrations
from tests.app.commands import Mjprompt

HEAVY = ("torch", "transformers", "sqlalchemy", "aiohttp", "pydantic", "numpy")
BAD_IDEAS: tuple[str | bytes, ...] = (
    "",
    "x" * 301,
    "--ar 16:9",
    "a boy --nonsense 3",
    b"a \xff boy",
)


async def test_version_and_help_exit_0(new_mjprompt: Mjprompt) -> None:
    version, help_ = await asyncio.gather(new_mjprompt("--version"), new_mjprompt("--help"))
    assert (version.status, help_.status) == (0, 0)
    assert version.stdout.startswith("mjprompt ")
    for command in ("run", "bot", "worker", "ask", "doctor", "pretrain", "train", "db"):
        assert f" {command} " in help_.stdout


def test_help_needs_nothing_heavy_and_less_than_a_second() -> None:
    code = f"import sys, app.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
        )
        seconds.append(time.perf_counter() - started)
        assert ended.stdout == "[]\n"
    assert min(seconds) < 1.0


async def test_json_answer_is_one_object_and_nothing_else(mjprompt: Mjprompt) -> None:
    ended = await mjprompt("ask", "a boy running in the snow", "--json", "--count", "3")
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == 1
    answer = json.loads(ended.stdout)
    assert list(answer) == ["request_id", "subject", "model", "candidates", "seconds"]
    assert len(answer["request_id"]) == 26
    assert answer["subject"] == "a boy running in the snow"
    assert answer["model"] == {"base": "fake", "adapter": None, "precision": "fp32"}
    assert [list(candidate) for candidate in answer["candidates"]] == [["id", "text", "score"]] * 3
    assert list(answer["seconds"]) == ["load", "queued", "decoding", "total"]
    assert all(seconds >= 0 for seconds in answer["seconds"].values())


async def test_human_answer_is_four_numbered_prompts_that_are_never_wrapped(mjprompt: Mjprompt) -> None:
    subject = "a long story of [bold]boys[/bold] " + "in the snow " * 15
    ended = await mjprompt("ask", subject)
    assert (ended.status, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == subject.strip()
    assert lines[1:5] == [f" {number}  {subject.strip()}, idea {number}" for number in (1, 2, 3, 4)]
    assert lines[5].startswith("fake · fp32 · cpu · ")
    assert len(lines) == 6


async def test_answer_is_shown_where_the_terminal_knows_ascii_only(mjprompt: Mjprompt) -> None:
    ended = await mjprompt("ask", "a boy", PYTHONIOENCODING="ascii")
    assert (ended.status, ended.stderr) == (0, "")
    assert " 1  a boy, idea 1" in ended.stdout


async def test_every_bad_idea_is_one_sentence_exit_2_and_nothing_stored(new_mjprompt: Mjprompt) -> None:
    all_ended = await asyncio.gather(*(new_mjprompt("ask", idea, "--json") for idea in BAD_IDEAS))
    for idea, ended in zip(BAD_IDEAS, all_ended, strict=True):
        assert (ended.status, ended.stdout) == (2, ""), (idea, ended)
        assert ended.stderr.count("\n") == 1, (idea, ended.stderr)
        assert "Traceback" not in ended.stderr
    assert len(all_ended) == 5
    assert not new_mjprompt.database_file.exists()


async def test_count_out_of_range_is_one_sentence_and_exit_2(new_mjprompt: Mjprompt) -> None:
    ended = await new_mjprompt("ask", "a boy", "--count", "9")
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr == "--count 9 is out of range; ask for 1 to 8 prompts.\n"


async def test_unknown_precision_exits_2_and_names_the_choices(new_mjprompt: Mjprompt) -> None:
    ended = await new_mjprompt("ask", "a boy", "--precision", "int8")
    assert (ended.status, ended.stdout) == (2, "")
    assert "int8" in ended.stderr
    assert "nf4" in ended.stderr


async def test_model_that_cannot_be_loaded_is_one_sentence_and_exit_1(mjprompt: Mjprompt) -> None:
    ended = await mjprompt("ask", "a boy", "--json", FAKE_LOAD="missing")
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr == "The model folder /nowhere is missing; set MODEL_ID.\n"


async def test_bad_setting_is_one_sentence_that_names_it(new_mjprompt: Mjprompt) -> None:
    ended = await new_mjprompt("run", WEB_PORT="many")
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr.startswith("WEB_PORT: ")
    assert ended.stderr.count("\n") == 1


async def test_db_upgrade_makes_the_database_and_says_its_revision(new_mjprompt: Mjprompt) -> None:
    ended = await new_mjprompt("db", "upgrade")
    assert (ended.status, ended.stderr) == (0, "")
    assert migrations.head_revision() in ended.stdout
    assert migrations.current_revision(new_mjprompt.database_url) == migrations.head_revision()


@pytest.mark.parametrize("command", [("run",), ("ask", "a boy")])
async def test_damaged_database_is_one_sentence_at_start(new_mjprompt: Mjprompt, command: tuple[str, ...]) -> None:
    new_mjprompt.database_file.write_bytes(b"this is no database" * 100)
    ended = await new_mjprompt(*command)
    assert (ended.status, ended.stdout) == (1, "")
    assert "not a sound SQLite database" in ended.stderr
    assert ended.stderr.count("\n") == 1


async def test_locked_database_is_one_sentence_at_start(mjprompt: Mjprompt) -> None:
    with sqlite3.connect(mjprompt.database_file) as other:
        other.execute("BEGIN EXCLUSIVE")
        ended = await mjprompt("run")
        other.rollback()
    other.close()
    assert (ended.status, ended.stdout) == (1, "")
    assert "locked by another program" in ended.stderr
    assert ended.stderr.count("\n") == 1


async def test_missing_database_folder_is_one_sentence_at_start(new_mjprompt: Mjprompt) -> None:
    missing = new_mjprompt.folder / "missing"
    ended = await new_mjprompt("run", DATABASE_URL=f"sqlite+aiosqlite:///{missing}/a.db")
    assert (ended.status, ended.stdout) == (1, "")
    assert str(missing) in ended.stderr
    assert ended.stderr.count("\n") == 1
