"""`mjprompt retrain`: say what a cycle would do, carry one out, and wait for its canary where that is wanted."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from core.cycles import CycleState, CycleView
from core.errors import InvalidData, StorageBusy, TrainingFailed
from core.logs import get_logger
from core.settings import PROJECT_ROOT, Settings
from storage import clock, cycles, migrations, ratings
from storage.database import Session
from trainer.cycle.book import CycleBook
from trainer.cycle.building import Built, build, told_of_closed
from trainer.cycle.planning import plan_cycle, read_rules, require_servable
from trainer.cycle_config import CycleConfig, read_cycle_config
from trainer.exports import ExportForm, Row, rows_of
from trainer.feedback.settle import settle
from trainer.run.owner import is_alive, own_process

log = get_logger(__name__)
MIN_FREE_BYTES = 512 * 1024**2  # checkpoints, an adapter, and room for the database
CANARY_LOOK_SECONDS = 2.0
Tell = Callable[[CycleView], None]


def show_plan(settings: Settings) -> Built:
    """Return what a cycle would make of the votes of this moment; nothing is written.

    Raises:
        ConfigError: configs/cycle.toml or configs/gate.toml cannot be used.
    """
    config = read_rules(settings)
    migrations.upgrade(settings.database_url)
    with CycleBook(settings.database_url) as book:
        return _build(book, config)


def start_cycle(settings: Settings, base_model: str) -> str:
    """Plan a cycle for this process, after everything that can be refused beforehand; return its id.

    A cycle that was begun, and that no process carries out any more, is gone on with instead.

    Raises:
        ConfigError: a configuration file cannot be used, or ADAPTER or ENGINE keep what is learned from being tried.
        InvalidData: there is too little to learn from; the message says what is missing.
        TrainingFailed: the disk is too full.
        TrainingBusy: another cycle is open.
    """
    config = read_rules(settings)
    require_servable(settings)
    _require_disk(PROJECT_ROOT / "var")
    migrations.upgrade(settings.database_url)
    with CycleBook(settings.database_url) as book:
        left = book.left_open()
        if left is not None:
            return left
        missing = _build(book, config).objective.missing
        if missing is not None:
            raise InvalidData(missing)

        async def plan(session: Session) -> str:
            cycle_id = await plan_cycle(session, base_model, config)
            await cycles.claim(session, cycle_id, owner=own_process(), is_alive=is_alive)  # before a keeper sees it
            return cycle_id

        return book.write(plan)


def export_rows(settings: Settings, form: ExportForm) -> list[Row]:
    """Return the rows of an export, of the votes of this moment.

    Raises:
        ConfigError: configs/cycle.toml cannot be used.
    """
    config = read_cycle_config(settings.cycle_config)
    migrations.upgrade(settings.database_url)
    with CycleBook(settings.database_url) as book:
        rated = book.rated_prompts()
    return rows_of(rated, settle(rated, config.feedback, now=clock.utc_now()), form)


def await_canary(settings: Settings, cycle_id: str, *, tell: Tell = lambda _: None) -> CycleView:
    """Look after the canary of a cycle until it has ended, and return how."""
    config = read_cycle_config(settings.cycle_config)
    shown: CycleView | None = None
    with CycleBook(settings.database_url) as book:
        while True:
            cycle = book.view(cycle_id)
            if cycle.state is not CycleState.CANARY:
                return cycle
            if shown is None or cycle.canary != shown.canary:
                tell(cycle)
                shown = cycle
            _look_once(book, cycle, config)
            time.sleep(CANARY_LOOK_SECONDS)


def _build(book: CycleBook, config: CycleConfig) -> Built:
    """Build from the votes of this moment; where none of them may be learned from, that is what is missing."""
    built = build(book.rated_prompts(), config, now=clock.utc_now())
    return told_of_closed(built, book.read(ratings.num_votes_not_agreed))


def _look_once(book: CycleBook, cycle: CycleView, config: CycleConfig) -> None:
    try:
        book.look_after(cycle, config.canary)
    except StorageBusy as error:
        log.warning("cycle.canary_not_looked_after", reason=str(error))


def _require_disk(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise TrainingFailed(f"{folder} cannot be used ({error.strerror}); a cycle keeps its files there.") from error
    if free < MIN_FREE_BYTES:
        raise TrainingFailed(
            f"Only {free // 1024**2} MiB are free in {folder}, and a cycle needs {MIN_FREE_BYTES // 1024**2}; free "
            "some disk space."
        )
