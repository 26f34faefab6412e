"""`mjprompt ask` without a process of its own: which model answers when."""

import asyncio
import getpass
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.ask import ask
from core.errors import ConfigError, ModelError, TransientError
from core.records import Identity, NewRequest, Platform, RequestState, WorkerState
from core.settings import Settings, load_settings
from falcon.adapter_files import ADAPTER_WEIGHTS
from falcon.generator import Generator
from storage import clock, requests, serving, users, workers
from storage.database import open_database
from storage.forecast import WORKER_SILENCE_SECONDS
from storage.queue import SqlQueue
from storage.states import AdapterState, PromotionReason
from storage.tables import AdapterRow
from tests.worker.adapter_fakes import FakeHost
from tests.worker.fakes import MODEL, FakeGenerator
from worker.engine_thread import EngineThread


@pytest.fixture
def settings(tmp_path: Path, migrated_file: Path) -> Settings:
    file = tmp_path / "ask.db"
    shutil.copy(migrated_file, file)
    return load_settings(_env_file=None, database_url=f"sqlite+aiosqlite:///{file}", lease_seconds=1)


def load_none(folder: Path | None) -> Generator:
    raise AssertionError(f"nothing has to be loaded with {folder}")


def announce(settings: Settings, state: WorkerState) -> None:
    """Put a worker on the list that will never be heard of again."""

    async def say() -> None:
        database = open_database(settings.database_url)
        async with database.write() as session:
            await workers.announce(session, "dead", state, MODEL)
        await database.close()

    asyncio.run(say())


def test_without_a_worker_the_model_is_loaded_here(settings: Settings) -> None:
    fake = FakeGenerator()
    answer = ask(
        settings, "a cat", num_candidates=2, precision=None, engine=EngineThread(lambda: fake), load_with=load_none
    )
    assert answer.view.state is RequestState.DONE
    assert answer.load_seconds > 0
    assert answer.decoding_seconds == answer.view.decoding_seconds
    assert fake.batches == [("a cat",)]


def promote(settings: Settings, folder: Path) -> None:
    """Let the adapter in `folder` serve."""
    (folder / ADAPTER_WEIGHTS).write_bytes(b"weights")

    async def serve() -> None:
        database, now = open_database(settings.database_url), clock.utc_now()
        async with database.write() as session:
            row = AdapterRow(id="style", state=AdapterState.CANDIDATE, base_model=MODEL.base, metrics={})
            row.folder, row.created_at, row.updated_at = str(folder), now, now
            session.add(row)
            await session.flush()
            await serving.promote(session, row.id, reason=PromotionReason.OPERATOR)
        await database.close()

    asyncio.run(serve())


def test_without_a_worker_the_promoted_adapter_answers(settings: Settings, tmp_path: Path) -> None:
    promote(settings, tmp_path)
    host = FakeHost()
    view = ask(
        settings, "a cat", num_candidates=1, precision=None, engine=EngineThread(lambda: host), load_with=load_none
    ).view
    assert host.loaded == {"style": tmp_path}
    assert view.candidates[0].text == "a cat by style"
    assert view.model is not None
    assert view.model.adapter == "style"


def test_model_without_slots_is_loaded_with_the_promoted_adapter(settings: Settings, tmp_path: Path) -> None:
    promote(settings, tmp_path)
    loaded: list[Path | None] = []

    def load_with(folder: Path | None) -> Generator:
        loaded.append(folder)
        return FakeGenerator()

    engine = EngineThread(lambda: load_with(None))
    view = ask(settings, "a cat", num_candidates=1, precision=None, engine=engine, load_with=load_with).view
    assert loaded == [None, tmp_path]
    assert view.model is not None
    assert view.model.adapter == "style"


def test_adapter_of_the_settings_is_not_replaced_by_the_promoted_one(settings: Settings, tmp_path: Path) -> None:
    promote(settings, tmp_path)
    host, pinned = FakeHost(), settings.model_copy(update={"adapter": tmp_path / "mine"})
    ask(pinned, "a cat", num_candidates=1, precision=None, engine=EngineThread(lambda: host), load_with=load_none)
    assert host.history == []


def test_worker_that_fell_silent_is_not_waited_for_forever(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    almost_silent = timedelta(seconds=WORKER_SILENCE_SECONDS - 1)
    with monkeypatch.context() as patch:
        patch.setattr(clock, "utc_now", lambda: datetime.now(UTC) - almost_silent)
        announce(settings, WorkerState.READY)
    answer = ask(
        settings, "a cat", num_candidates=4, precision=None, engine=EngineThread(FakeGenerator), load_with=load_none
    )
    assert answer.view.state is RequestState.DONE
    assert len(answer.view.candidates) == 4


def test_a_worker_in_another_precision_is_refused_and_nothing_stored(settings: Settings) -> None:
    announce(settings, WorkerState.READY)
    engine = EngineThread(FakeGenerator)
    with pytest.raises(ConfigError, match="--precision nf4"):
        ask(settings, "a cat", num_candidates=4, precision="nf4", engine=engine, load_with=load_none)
    assert asyncio.run(count_open(settings)) == 0


def test_request_nobody_answers_expires_and_says_so(settings: Settings) -> None:
    announce(settings, WorkerState.READY)
    short = settings.model_copy(update={"request_timeout_seconds": 0.5})
    with pytest.raises(TransientError, match="No answer was ready in time"):
        ask(short, "a cat", num_candidates=4, precision=None, engine=EngineThread(FakeGenerator), load_with=load_none)
    assert asyncio.run(count_open(settings)) == 0


def test_model_that_cannot_be_loaded_leaves_no_request_behind(settings: Settings) -> None:
    def load() -> FakeGenerator:
        raise ModelError("there is no model")

    with pytest.raises(ModelError, match="there is no model"):
        ask(settings, "a cat", num_candidates=4, precision=None, engine=EngineThread(load), load_with=load_none)
    assert asyncio.run(count_open(settings)) == 0


def test_request_that_crashes_the_model_twice_fails_with_its_sentence(settings: Settings) -> None:
    engine = EngineThread(FakeGenerator)
    with pytest.raises(TransientError, match="The model stopped"):
        ask(settings, "poison", num_candidates=4, precision=None, engine=engine, load_with=load_none)


def test_what_dead_workers_left_behind_counts_for_nobody(settings: Settings) -> None:
    asyncio.run(leave_overdue_request(settings))
    strict = settings.model_copy(update={"max_open_requests_per_user": 1})
    answer = ask(
        strict, "a cat", num_candidates=4, precision=None, engine=EngineThread(FakeGenerator), load_with=load_none
    )
    assert answer.view.state is RequestState.DONE


async def leave_overdue_request(settings: Settings) -> None:
    """Queue a request of this account that is past its deadline already."""
    database = open_database(settings.database_url)
    queue = SqlQueue(database, lease_seconds=1, max_attempts=2)
    async with database.write() as session:
        me = Identity(platform=Platform.TERMINAL, external_id=getpass.getuser())
        user_id = await users.ensure_user(session, me)
        await queue.enqueue(session, user_id, NewRequest(idea="a dog", subject="a dog", timeout_seconds=0))
    await database.close()


async def count_open(settings: Settings) -> int:
    database = open_database(settings.database_url)
    try:
        async with database.read() as session:
            return await requests.count_open(session)
    finally:
        await database.close()
