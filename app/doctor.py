"""`mjprompt doctor`: look at everything that a start needs, and say what to do about what is missing.

It downloads nothing and makes no database. One that is there gets a table that is dropped again, which proves
that it can be written. A secret is only ever said to be set or not.
"""

import asyncio
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr

from app.serving_report import describe_serving
from app.storage_at_start import open_writable
from bot.slack.mode import SlackMode, slack_mode
from core.errors import MjpromptError, ModelError
from core.machine import num_usable_cores
from core.records import WorkerStatus
from core.settings import Settings
from falcon.decode_config import read_decode_config
from storage import migrations, workers
from storage.forecast import WORKER_SILENCE_SECONDS
from storage.urls import file_of, place_of, read_url

MIN_PYTHON = (3, 11)
MIN_FREE_DISK_BYTES = 500_000_000


class Level(StrEnum):
    """How a check went."""

    OK = "OK"
    WARN = "WARN"  # it runs, but look at it
    FAIL = "FAIL"  # it cannot run like this


Finding = tuple[Level, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the report: what was looked at, how it went, and what to do."""

    name: str
    level: Level
    message: str


def examine(settings: Settings) -> Iterator[Check]:
    """Run every check, one after the other; none depends on another's success."""
    checks: dict[str, Callable[[Settings], Finding]] = {
        "python": _python,
        "torch": _torch,
        "threads": _threads,
        "model files": _model_files,
        "checksums": _checksums,
        "tokenizer": _tokenizer,
        "memory": _memory,
        "decoding": _decoding,
        "database": _database,
        "disk": _disk,
        "web port": _port,
        "serving": _serving,
        "learning": _learning,
        "chats": _chats,
        "secrets": _secrets,
    }
    for name, check in checks.items():
        try:
            level, message = check(settings)
        except MjpromptError as error:
            level, message = Level.FAIL, str(error)
        except ImportError as error:
            level, message = Level.FAIL, f"{error}; install the pinned packages with `make venv`."
        yield Check(name=name, level=level, message=message)


def _python(_: Settings) -> Finding:
    if sys.version_info < MIN_PYTHON:
        wanted = ".".join(map(str, MIN_PYTHON))
        return Level.FAIL, f"Python {platform.python_version()} is too old; install {wanted} or newer."
    return Level.OK, f"Python {platform.python_version()} on {platform.platform(terse=True)}"


def _torch(_: Settings) -> Finding:
    from worker import inspection

    return Level.OK, inspection.describe_torch()


def _threads(_: Settings) -> Finding:
    from worker import inspection

    usable = num_usable_cores()
    threads = inspection.num_threads()
    if threads > usable:
        return (
            Level.WARN,
            f"torch computes with {threads} threads on {usable} cores; set OMP_NUM_THREADS={usable}.",
        )
    return Level.OK, f"torch computes with {threads} threads on {usable} usable cores"


def _model_files(settings: Settings) -> Finding:
    from worker import inspection

    found = inspection.find_model(settings)
    if found.folder is None:
        return Level.WARN, f"{found.base} is not here yet; the first start downloads it, which takes a while."
    return Level.OK, str(found.folder)


def _checksums(settings: Settings) -> Finding:
    from worker import inspection

    folder = _model_folder(settings)
    num_files = inspection.num_verified_files(folder) if folder is not None else None
    if num_files is None:
        return Level.OK, f"no {inspection.CHECKSUM_FILE} to compare with"
    return Level.OK, f"{num_files} files are as {inspection.CHECKSUM_FILE} lists them"


def _tokenizer(settings: Settings) -> Finding:
    from worker import inspection

    folder = _model_folder(settings)
    if folder is None:
        return Level.WARN, "not looked at: the model's files are not here"
    return Level.OK, inspection.describe_tokenizer(folder)


def _memory(settings: Settings) -> Finding:
    from worker import inspection

    folder = _model_folder(settings)
    if folder is None:
        return Level.WARN, "what the model needs is known once its files are here"
    return Level.OK, inspection.describe_memory(folder, settings)


def _model_folder(settings: Settings) -> Path | None:
    """Return the model's folder; None where it is missing, which the check of the model files reports."""
    from worker import inspection

    try:
        return inspection.find_model(settings).folder
    except ModelError:
        return None


def _decoding(settings: Settings) -> Finding:
    search = read_decode_config(settings.decode_config).beam_search
    return (
        Level.OK,
        f"{settings.decode_config.name}: {search.num_beam_groups} groups of {search.num_beams} beams",
    )


def _database(settings: Settings) -> Finding:
    url, head = settings.database_url, migrations.head_revision()
    place = place_of(read_url(url))
    current = migrations.current_revision(url)
    if current is None and _is_creatable(url):
        return Level.OK, f"{place} will be made at the first start"
    if current != head:
        migrations.require_head(url)
    asyncio.run(_probe(settings))
    return Level.OK, f"{place} is at revision {head} and writable"


def _is_creatable(url: str) -> bool:
    file = file_of(read_url(url))
    return file is not None and not file.exists() and os.access(file.parent, os.W_OK)


async def _probe(settings: Settings) -> None:
    database, _ = await open_writable(settings)
    await database.close()


def _disk(settings: Settings) -> Finding:
    file = file_of(read_url(settings.database_url))
    folder = file.absolute().parent if file is not None else Path.cwd()
    if not folder.is_dir():
        return Level.FAIL, f"The folder {folder} does not exist; make it, or set DATABASE_URL."
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_DISK_BYTES:
        return Level.WARN, f"only {free / 1e6:.0f} MB are free in {folder}; free some space."
    return Level.OK, f"{free / 1e9:.1f} GB are free in {folder}"


def _port(settings: Settings) -> Finding:
    address = f"{settings.web_host}:{settings.web_port}"
    family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.web_host, settings.web_port))
        except OSError as error:
            return _port_in_use(settings, address, error)
    return Level.OK, f"{address} is free"


def _port_in_use(settings: Settings, address: str, error: OSError) -> Finding:
    if asyncio.run(_live_workers(settings)):
        return Level.WARN, f"{address} is taken, most likely by the mjprompt that is running."
    return Level.FAIL, f"{address} cannot be opened ({error.strerror}); stop what has it, or set WEB_PORT."


def _serving(settings: Settings) -> Finding:
    try:
        live = asyncio.run(_live_workers(settings))
    except MjpromptError:
        return Level.WARN, "not looked at: the database cannot be read"
    return Level.OK, describe_serving(live)


def _learning(settings: Settings) -> Finding:
    from trainer.cycle.planning import read_rules

    is_automatic = read_rules(settings).policy.is_automatic
    begins = "in quiet hours" if is_automatic else "when an operator says so"
    return Level.OK, f"{settings.cycle_config.name} and {settings.gate_config.name} can be read; cycles begin {begins}"


async def _live_workers(settings: Settings) -> list[WorkerStatus]:
    """Return the workers that are there; none where the database has not the tables of this release."""
    if migrations.current_revision(settings.database_url) != migrations.head_revision():
        return []
    database, _ = await open_writable(settings)
    try:
        async with database.read() as session:
            return await workers.live(session, within_seconds=WORKER_SILENCE_SECONDS)
    finally:
        await database.close()


def _chats(settings: Settings) -> Finding:
    discord = "not set up" if settings.discord_token is None else "set up"
    slack = {
        SlackMode.OFF: "not set up",
        SlackMode.SOCKET: "set up for one workspace over Socket Mode",
        SlackMode.HTTP: "set up for one workspace over HTTP",
        SlackMode.OAUTH: "set up for many workspaces over HTTP",
    }
    return Level.OK, f"Discord {discord}; Slack {slack[slack_mode(settings)]}"


def _secrets(settings: Settings) -> Finding:
    names = [name for name, field in Settings.model_fields.items() if field.annotation == SecretStr | None]
    states = [f"{name.upper()} {'set' if getattr(settings, name) else 'not set'}" for name in names]
    return Level.OK, ", ".join(states)
