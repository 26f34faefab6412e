"""Fifty people ask at once through the web API of a real `mjprompt run`: none is lost, none answered twice.

Prints one JSON line with the latencies (from sending the idea to holding the answer). Exits with 1 when a
request was lost, answered twice, or answered with another's subject.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from benchmarks.machine import describe_machine
from benchmarks.running_chat import running_chat

COMMAND = (sys.executable, "-m", "app.cli", "run")
NUM_CANDIDATES = 4
ANIMALS = ("boy", "girl", "fox", "owl", "horse", "whale", "robot", "dragon", "sailor", "dancer")
PLACES = ("in the snow", "on a bridge", "under the sea", "in a garden", "on the moon")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one person got: the seconds it took, and what was wrong (None when nothing was)."""

    seconds: float
    problem: str | None


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    people: int = parser.parse_args().people
    with running_chat(COMMAND) as chat:
        started = time.perf_counter()
        outcomes = asyncio.run(_everybody(chat.address, people))
        seconds = time.perf_counter() - started
    problems = [outcome.problem for outcome in outcomes if outcome.problem]
    latencies = [outcome.seconds for outcome in outcomes]
    row = {
        "benchmark": "concurrency",
        "people": people,
        "problems": problems,
        "p50_seconds": round(statistics.median(latencies), 2),
        "p95_seconds": round(statistics.quantiles(latencies, n=20)[-1], 2),
        "all_seconds": round(seconds, 2),
        "answers_per_second": round(people / seconds, 2),
        "machine": describe_machine(),
    }
    print(json.dumps(row), flush=True)
    return 1 if problems else 0


async def _everybody(address: str, people: int) -> list[Outcome]:
    subjects = [f"a {ANIMALS[n % 10]} {PLACES[n // 10 % 5]} number {n}" for n in range(people)]
    return await asyncio.gather(*(_one_person(address, subject) for subject in subjects))


async def _one_person(address: str, subject: str) -> Outcome:
    jar = aiohttp.CookieJar(unsafe=True)  # cookies for a bare address, as a browser keeps them
    async with aiohttp.ClientSession(address, cookie_jar=jar) as browser:
        started = time.perf_counter()
        request = await _call(browser, "POST", "/api/requests", json={"text": subject})
        while request["state"] in ("queued", "running"):
            path = f"/api/requests/{request['id']}"
            request = await _call(browser, "GET", path, params={"seen": request["seen"], "wait": "25"})
        seconds = time.perf_counter() - started
        history = await _call(browser, "GET", "/api/history")
    return Outcome(seconds=seconds, problem=_problem(request, history["requests"], subject))


def _problem(request: dict[str, Any], history: list[dict[str, Any]], subject: str) -> str | None:
    if request["state"] != "done":
        return f"{subject}: {request['state']} ({request['error']})"
    if len(history) != 1 or len(request["candidates"]) != NUM_CANDIDATES:
        return f"{subject}: {len(history)} requests, {len(request['candidates'])} candidates"
    if any(subject not in candidate["text"] for candidate in request["candidates"]):
        return f"{subject}: answered with another subject"
    return None


async def _call(browser: aiohttp.ClientSession, method: str, path: str, **options: Any) -> dict[str, Any]:
    async with browser.request(method, path, **options) as reply:
        reply.raise_for_status()
        body: dict[str, Any] = await reply.json()
        return body


if __name__ == "__main__":
    sys.exit(main())
