"""Logs: events with fields on standard error, standard output left free."""

import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from core.logs import configure_logs, get_logger

NOISY = ("aiosqlite", "aiohttp.access", "alembic", "httpx", "urllib3")


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """Put the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level, structured = root.handlers[:], root.level, structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in NOISY}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.configure(**structured)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return what standard error holds, read as JSON lines; standard output must be empty."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_event_is_one_json_line_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="INFO", form="json")
    get_logger("some.module").info("request.done", request_id="01ABC", seconds=1.5)
    [line] = lines(capsys)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {"event": "request.done", "level": "info", "request_id": "01ABC", "seconds": 1.5}


def test_lines_of_libraries_look_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="INFO", form="json")
    logging.getLogger("some.library").warning("disk is %s", "full")
    [line] = lines(capsys)
    assert (line["event"], line["level"]) == ("disk is full", "warning")


def test_traceback_is_within_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="INFO", form="json")
    try:
        raise ValueError("broken")
    except ValueError:
        get_logger("some.module").exception("request.failed")
    [line] = lines(capsys)
    assert "ValueError: broken" in str(line["exception"])


@pytest.mark.parametrize("form", ["console", "json"])
def test_traceback_shows_no_variables(capsys: pytest.CaptureFixture[str], form: Literal["console", "json"]) -> None:
    """Tracebacks on a terminal used to show the local variables of every frame, a bot's token among them."""
    configure_logs(level="INFO", form=form)
    token = "-".join(("canary", "token"))
    try:
        raise ValueError(len(token))
    except ValueError:
        get_logger("some.module").exception("request.failed")
    shown = capsys.readouterr().err
    assert "ValueError: 12" in shown
    assert token not in shown


def test_context_bound_for_a_request_is_on_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="INFO", form="json")
    with structlog.contextvars.bound_contextvars(request_id="01ABC"):
        get_logger("a").info("one")
        logging.getLogger("b").info("two")
    assert [line["request_id"] for line in lines(capsys)] == ["01ABC", "01ABC"]


@pytest.mark.parametrize(("level", "shown"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str], level: str, shown: int) -> None:
    configure_logs(level=level, form="json")
    logger = get_logger("some.module")
    for say in (logger.debug, logger.info, logger.warning, logger.error):
        say("something")
    assert len(lines(capsys)) == shown


@pytest.mark.parametrize("name", NOISY)
def test_chatty_libraries_speak_up_for_warnings_only(capsys: pytest.CaptureFixture[str], name: str) -> None:
    configure_logs(level="DEBUG", form="json")
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("trouble")
    assert [line["event"] for line in lines(capsys)] == ["trouble"]


def test_configuring_again_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        configure_logs(level="INFO", form="json")
    get_logger("some.module").info("once")
    assert len(lines(capsys)) == 1


def test_automatic_form_is_json_where_standard_error_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="INFO", form="auto")
    get_logger("some.module").info("something")
    assert lines(capsys)[0]["event"] == "something"


def test_console_form_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="INFO", form="console")
    get_logger("some.module").info("request.done", seconds=1.5)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "request.done" in captured.err
    assert not captured.err.lstrip().startswith("{")
