"""`mjprompt ask` as a process whose model's thread is busy to the last: the answer or the reason comes first."""

import json
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import aiosqlite
import pytest

from core.records import CandidateDraft, ClaimedRequest, WorkerState
from storage import clock, workers
from storage.database import Database, open_database
from storage.forecast import WORKER_SILENCE_SECONDS
from storage.queue import SqlQueue
from tests.app.commands import Mjprompt
from tests.worker.fakes import MODEL
from tests.worker.people import eventually


@pytest.fixture
async def database(mjprompt: Mjprompt) -> AsyncIterator[Database]:
    database = open_database(mjprompt.database_url)
    yield database
    await database.close()


async def states(mjprompt: Mjprompt) -> list[str]:
    async with aiosqlite.connect(mjprompt.database_file) as connection:
        return [row[0] for row in await connection.execute_fetchall("SELECT state FROM requests")]


async def test_deadline_in_a_long_step_is_one_sentence_and_exit_1(mjprompt: Mjprompt) -> None:
    ended = await mjprompt("ask", "a boy", "--json", FAKE_LOAD="deaf", REQUEST_TIMEOUT_SECONDS="1")
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr == "No answer was ready in time; please ask again in a moment.\n"


@pytest.fixture
def hang_up_arrives() -> Iterator[None]:
    """What is started meanwhile is ended by SIGHUP, also in a suite that was started with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_up_arrives")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signal_takes_the_request_back_and_tells_in_the_exit_status(
    mjprompt: Mjprompt, number: signal.Signals
) -> None:
    async with mjprompt.running("ask", "a boy", FAKE_LOAD="deaf") as run:

        async def is_running() -> bool:
            return await states(mjprompt) == ["running"]

        await eventually(is_running)
        run.process.send_signal(number)
        ended = await run.ends()
    assert (ended.status, ended.stdout, ended.stderr) == (128 + number, "", "")
    assert await states(mjprompt) == ["cancelled"]


async def test_answer_of_a_worker_that_came_back_is_printed_while_the_model_loads_here(
    mjprompt: Mjprompt, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def announce() -> None:
        async with database.write() as session:
            await workers.announce(session, "back", WorkerState.READY, MODEL)

    await announce()
    queue = SqlQueue(database, lease_seconds=30, max_attempts=2)

    async def claim() -> list[ClaimedRequest]:
        return await queue.claim("back", 1)

    loading = mjprompt.folder / "loading"

    async def is_loading() -> bool:
        return loading.exists()

    async with mjprompt.running("ask", "a boy", "--json", FAKE_LOAD="forever", FAKE_LOADING_FILE=str(loading)) as run:
        (claimed,) = await eventually(claim)
        assert not loading.exists()
        with monkeypatch.context() as patch:  # the worker falls silent, and is given up
            patch.setattr(clock, "utc_now", lambda: datetime.now(UTC) - timedelta(seconds=WORKER_SILENCE_SECONDS + 1))
            await announce()
        await eventually(is_loading)
        drafts = [CandidateDraft(rank=1, text="a boy, sledding", score=-0.5)]
        assert await queue.complete(claimed, drafts, MODEL, {}, 0.25)
        ended = await run.ends()
    assert (ended.status, ended.stderr) == (0, "")
    assert [candidate["text"] for candidate in json.loads(ended.stdout)["candidates"]] == ["a boy, sledding"]


async def test_account_whose_name_is_no_text_may_ask(mjprompt: Mjprompt) -> None:
    ended = await mjprompt("ask", "a boy", LOGNAME="ann\udcff")
    assert (ended.status, ended.stderr) == (0, "")
