"""`mjprompt run` as a process tree: start, trouble, end."""

import asyncio
import json
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from core.records import WorkerState
from storage import workers
from storage.database import open_database
from tests.app.commands import PATIENCE_SECONDS, Mjprompt, Running
from tests.worker.fakes import MODEL


async def ask(address: str, text: str) -> dict[str, Any]:
    """Ask on the web page and wait for the end."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(address, cookie_jar=jar) as browser, asyncio.timeout(PATIENCE_SECONDS):
        async with browser.post("/api/requests", json={"text": text}) as reply:
            request: dict[str, Any] = await reply.json()
        while request["state"] in ("queued", "running"):
            path = f"/api/requests/{request['id']}"
            async with browser.get(path, params={"seen": request["seen"], "wait": "20"}) as reply:
                request = await reply.json()
    return request


async def worker_of(run: Running, *, other_than: int | None = None) -> psutil.Process:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (worker := run.worker()) is None or worker.pid == other_than:
            await asyncio.sleep(0.02)
    return worker


async def gone(process: psutil.Process) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)


async def test_run_answers_outlives_its_worker_and_drains(new_mjprompt: Mjprompt) -> None:
    async with new_mjprompt.running("run", FAKE_DELAY_SECONDS="0.5") as run:
        await run.prints("Ready")
        assert run.lines[0].startswith("Web chat  http://127.0.0.1:")
        assert any(line.startswith(" 4  a boy running in the snow") for line in run.lines)

        libraries = {Path(region.path).name for region in psutil.Process(run.process.pid).memory_maps()}
        assert not [name for name in libraries if "torch" in name]

        worker = await worker_of(run)
        asking = asyncio.create_task(ask(run.address, "a cat"))
        await asyncio.sleep(0.3)
        worker.kill()
        answer = await asking
        assert (answer["state"], len(answer["candidates"])) == ("done", 4)
        assert (await worker_of(run)).pid != worker.pid

        ended = await new_mjprompt("ask", "a dog", "--json")
        assert json.loads(ended.stdout)["seconds"]["load"] == 0, "the running worker answered"
        refused = await new_mjprompt("ask", "a dog", "--precision", "nf4")
        assert (refused.status, refused.stdout) == (1, "")
        assert "--precision nf4" in refused.stderr

        worker = await worker_of(run)
        run.process.send_signal(signal.SIGTERM)
        assert (await run.ends()).status == 0
        await gone(worker)


async def test_second_ctrl_c_does_not_wait_for_the_answer(mjprompt: Mjprompt) -> None:
    async with mjprompt.running("run", FAKE_DELAY_SECONDS="60") as run:
        await run.prints("Model")
        worker = await worker_of(run)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "running" not in await states(mjprompt):
                await asyncio.sleep(0.05)
        run.process.send_signal(signal.SIGINT)
        await run.prints("Stopping")
        run.process.send_signal(signal.SIGINT)
        ended = await run.ends()
        assert (ended.status, ended.stderr) == (0, "")
        await gone(worker)
    assert await states(mjprompt) == ["queued"]


async def states(mjprompt: Mjprompt) -> list[str]:
    import aiosqlite  # noqa: PLC0415

    async with aiosqlite.connect(mjprompt.database_file) as database:
        rows = await database.execute_fetchall("SELECT state FROM requests")
    return [row[0] for row in rows]


async def test_worker_killed_long_ago_is_not_taken_for_a_ready_one(mjprompt: Mjprompt) -> None:
    await announce_dead_worker(mjprompt.database_url)
    async with mjprompt.running("run", FAKE_LOAD="slow", REQUEST_TIMEOUT_SECONDS="1") as run:
        await run.prints("Ready")
        assert any(line.startswith(" 4  a boy running in the snow") for line in run.lines), run.lines


async def test_run_without_a_first_answer_says_that_it_is_not_ready(mjprompt: Mjprompt) -> None:
    async with mjprompt.running("run", FAKE_LOAD="deaf", REQUEST_TIMEOUT_SECONDS="1") as run:
        await run.prints("Not ready No answer was ready in time")
        assert not any(line.startswith("Ready") for line in run.lines)


async def test_bot_without_a_worker_keeps_no_one_waiting_past_the_deadline(mjprompt: Mjprompt) -> None:
    async with mjprompt.running("bot", REQUEST_TIMEOUT_SECONDS="1") as run:
        await run.prints("Ready")
        assert (await ask(run.address, "a cat"))["state"] == "expired"


async def announce_dead_worker(url: str) -> None:
    database = open_database(url)
    async with database.write() as session:
        await workers.announce(session, "dead", WorkerState.READY, MODEL)
    await database.close()


async def test_worker_ends_when_run_is_killed(mjprompt: Mjprompt) -> None:
    async with mjprompt.running("run") as run:
        await run.prints("Ready")
        worker = await worker_of(run)
        run.process.kill()
        await gone(worker)


async def test_missing_model_ends_run_with_the_workers_sentence(mjprompt: Mjprompt) -> None:
    ended = await mjprompt("run", FAKE_LOAD="missing")
    assert (ended.status, ended.stderr) == (1, "The model folder /nowhere is missing; set MODEL_ID.\n")


async def test_port_in_use_is_one_sentence_at_start(mjprompt: Mjprompt) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = await mjprompt("run", WEB_PORT=port)
        by_option = await mjprompt("bot", "--port", port)
    assert (ended.status, ended.stdout) == (1, "")
    assert port in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert by_option == ended


async def test_bot_alone_serves_the_page_and_starts_no_worker(mjprompt: Mjprompt) -> None:
    async with mjprompt.running("bot") as run:
        await run.prints("Ready")
        assert run.worker() is None
        async with aiohttp.ClientSession(run.address) as browser, browser.get("/") as reply:
            assert reply.status == 200
        run.process.send_signal(signal.SIGTERM)
        assert (await run.ends()).status == 0
