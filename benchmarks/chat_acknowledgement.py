"""500 people ask within 5 s while the worker is busy: how long until each is acknowledged, and is each answered once?

The pocket model answers in a real `mjprompt run`; with --quick fewer people ask, and a stand-in answers. Prints one
JSON line for each platform. Exits with 1 when somebody was not acknowledged in time or not answered exactly once.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack

import psutil

from benchmarks.chat_bot import RunningBot, running_bot
from benchmarks.chat_measures import Neighbours, milliseconds, report, steady
from benchmarks.chat_platforms import STAGES
from benchmarks.chat_stages import Act, Stage
from benchmarks.chat_worker import stand_in_worker
from tests.parity.waiting import until

PEOPLE, QUICK_PEOPLE, EARLY_PEOPLE = 500, 100, 8
WITHIN_SECONDS = 5.0
TARGET_P99_MS = 300.0
ANSWER_SECONDS = 1500.0  # for all of them
BOT = {"REQUEST_TIMEOUT_SECONDS": str(int(ANSWER_SECONDS)), "MAX_QUEUE_LENGTH": "2000"}


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--people", type=int)
    parser.add_argument("--platform", choices=sorted(STAGES), action="append")
    arguments = parser.parse_args()
    people = arguments.people or (QUICK_PEOPLE if arguments.quick else PEOPLE)
    rows = [
        asyncio.run(_measure(name, people, is_quick=arguments.quick)) for name in arguments.platform or sorted(STAGES)
    ]
    return 1 if any(row["problems"] for row in rows) else 0


async def _measure(name: str, people: int, *, is_quick: bool) -> dict[str, object]:
    num_all = people + EARLY_PEOPLE
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(STAGES[name](num_all, keep_history=True))
        command, awaited = ("bot", {stage.label}) if is_quick else ("run", {stage.label, "Ready"})
        bot = await stack.enter_async_context(running_bot({**stage.environment, **BOT}, command=command, until=awaited))
        worker = await stack.enter_async_context(stand_in_worker(bot.file)) if is_quick else None
        if worker is not None:
            worker.pause()
        steady()
        neighbours = Neighbours(psutil.Process())
        acts, window_cpu = await _everybody(stage, bot, people)
        others = neighbours.percent_of_a_core()
        if worker is not None:
            worker.resume()
        started = time.perf_counter()
        await until(lambda: _num_done(bot) >= _num_asked(bot), "answer to everybody", within_seconds=ANSWER_SECONDS)
        await until(lambda: _num_pending(bot) == 0, "delivery of every answer", within_seconds=60)
        row: dict[str, object] = {
            "benchmark": "chat_acknowledgement",
            "platform": name,
            "people": people,
            "within_seconds": WITHIN_SECONDS,
            "worker": "stand-in" if is_quick else "pocket model",
            **milliseconds([act.seconds for act in acts if act.seconds is not None]),
            "target_p99_ms": TARGET_P99_MS,
            "bot_cpu_seconds_while_asked": round(window_cpu, 2),
            "others_percent_of_a_core": others,
            "all_answered_after_seconds": round(time.perf_counter() - started, 1),
            "problems": _problems(stage, bot, acts, num_all),
        }
    report(row)
    return row


async def _everybody(stage: Stage, bot: RunningBot, people: int) -> tuple[list[Act], float]:
    """Let some ask who keep the worker busy, then everybody evenly over the time; return their acts."""
    await asyncio.gather(*(stage.ask(people + n, _subject(people + n)) for n in range(EARLY_PEOPLE)))
    await asyncio.sleep(1.0)
    cpu = bot.cpu_seconds()
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(_later(stage, n, n * WITHIN_SECONDS / people)) for n in range(people)]
    return [task.result() for task in asking], bot.cpu_seconds() - cpu


async def _later(stage: Stage, person: int, seconds: float) -> Act:
    await asyncio.sleep(seconds)
    return await stage.ask(person, _subject(person))


def _subject(person: int) -> str:
    return f"a lighthouse number {person} in the snow"


def _num_asked(bot: RunningBot) -> int:
    return int(bot.value("SELECT count(*) FROM requests"))


def _num_done(bot: RunningBot) -> int:
    return int(bot.value("SELECT count(*) FROM requests WHERE state NOT IN ('queued', 'running')"))


def _num_pending(bot: RunningBot) -> int:
    return int(bot.value("SELECT count(*) FROM outbox WHERE state = 'pending'"))


def _problems(stage: Stage, bot: RunningBot, acts: list[Act], num_all: int) -> list[str]:
    """Return what is wrong: each of the `num_all` people asked once, and sees one answer about their own subject."""
    problems = (
        [f"{sum(act.seconds is None for act in acts)} not acknowledged"]
        if any(act.seconds is None for act in acts)
        else []
    )
    states = Counter(row[0] for row in bot.rows("SELECT state FROM outbox"))
    if states != {"sent": num_all}:
        problems.append(f"messages in the outbox: {dict(states)}, not {num_all} sent")
    texts = [shown.text for shown in stage.answers()]
    shown_once = Counter(sum(_subject(n) in text for text in texts) for n in range(num_all))
    if shown_once != {1: num_all}:
        problems.append(f"answers by how often they are shown: {dict(shown_once)}")
    return problems + [f"rule broken: {text}" for text in stage.violations[:5]] + bot.faults()[:5]


if __name__ == "__main__":
    sys.exit(main())
