"""Does the bot's memory stay flat over 50 000 events of a platform: asks, votes, histories and replays?

Prints one JSON line for each platform, with the resident size after every tenth of the events. Exits with 1 when the
size at the end differs by more than 5 % from that after warming up.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from benchmarks.chat_bot import RunningBot, running_bot
from benchmarks.chat_measures import report, steady
from benchmarks.chat_platforms import STAGES
from benchmarks.chat_stages import DOWN, UP, Act, Shown, Stage
from benchmarks.chat_worker import stand_in_worker

EVENTS, QUICK_EVENTS = 50_000, 2_000
PEOPLE = 300
IN_FLIGHT = 12  # people who act at once
KEPT = 40  # the newest answers, on which people press
TOLERANCE_PERCENT = 5.0
# How often each kind of event comes, out of 100; asks are the dearest, and the rarest in a real channel too.
SHARES = {"ask": 10, "press": 68, "history": 12, "replay": 10}
BOT = {"MAX_QUEUE_LENGTH": "2000", "REQUEST_TIMEOUT_SECONDS": "600"}


@dataclass(kw_only=True)
class Crowd:
    """People who do this and that, reproducibly."""

    stage: Stage
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    shown: deque[Shown] = field(default_factory=lambda: deque(maxlen=KEPT))
    acts: deque[Act] = field(default_factory=lambda: deque(maxlen=200))
    num_asked: int = 0
    num_unanswered: int = 0

    async def do_something(self) -> None:
        """Let somebody do something, and wait for its acknowledgement."""
        person = self.chance.randrange(PEOPLE)
        match self.chance.choices(tuple(SHARES), tuple(SHARES.values()))[0]:
            case "ask":
                self.num_asked += 1
                act = await self.stage.ask(person, f"a mountain hut number {self.num_asked} in spring")
            case "history":
                act = await self.stage.look_back(person)
            case "replay" if self.acts:
                await self.chance.choice(self.acts).replay()
                return
            case _:
                shown = self.chance.choice(self.shown)
                mark = self.chance.choice([mark for mark in shown.marks if mark.startswith((UP, DOWN))])
                act = await self.stage.press(person, shown, mark)
        self.num_unanswered += act.seconds is None
        self.acts.append(act)

    def look(self) -> None:
        """See what was answered lately."""
        self.shown.extend(self.stage.answers()[-KEPT:])


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer events: shows that it works, not that it is flat")
    parser.add_argument("--platform", choices=sorted(STAGES), action="append")
    arguments = parser.parse_args()
    is_good = True
    for name in arguments.platform or sorted(STAGES):
        row = asyncio.run(_measure(name, num_events=QUICK_EVENTS if arguments.quick else EVENTS))
        report(row)
        is_good = is_good and (arguments.quick or not row["problems"])
    return 0 if is_good else 1


async def _measure(name: str, *, num_events: int) -> dict[str, object]:
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(STAGES[name](PEOPLE, keep_history=False))
        bot = await stack.enter_async_context(running_bot({**stage.environment, **BOT}, until={stage.label}))
        await stack.enter_async_context(stand_in_worker(bot.file))
        crowd = Crowd(stage=stage)
        await asyncio.gather(*(stage.ask(n, f"a first hut number {n}") for n in range(KEPT)))
        await stage.answer_to(f"a first hut number {KEPT - 1}", within_seconds=60)
        steady()
        started, cpu = time.perf_counter(), bot.cpu_seconds()
        sizes = await _sizes(crowd, bot, num_events)
        seconds = time.perf_counter() - started
        warm, *_, end = sizes.values()
        growth = round((end / warm - 1) * 100, 1)
        problems = [f"{crowd.num_unanswered} acts were not acknowledged"] if crowd.num_unanswered else []
        if abs(growth) > TOLERANCE_PERCENT:
            problems.append(f"the size changed by {growth} %, more than {TOLERANCE_PERCENT} %")
        return {
            "benchmark": "chat_memory",
            "platform": name,
            "events": num_events,
            "of_100": SHARES,
            "asked": crowd.num_asked,
            "events_per_second": round(num_events / seconds, 1),
            "bot_cpu_ms_per_event": round((bot.cpu_seconds() - cpu) / num_events * 1000, 1),
            "rss_mib_after_events": sizes,
            "change_percent_since_first": growth,
            "tolerance_percent": TOLERANCE_PERCENT,
            "problems": problems + [f"rule broken: {text}" for text in stage.violations[:5]] + bot.faults()[:5],
        }


async def _sizes(crowd: Crowd, bot: RunningBot, num_events: int) -> dict[int, float]:
    """Let the crowd act; return the bot's size after each tenth of the events, in MiB."""
    found: dict[int, float] = {}
    for done in range(num_events // 10, num_events + 1, num_events // 10):
        await _act(crowd, num_events // 10)
        await asyncio.sleep(1.0)
        found[done] = bot.rss_mib()
        print(f"{done} events: {found[done]} MiB", file=sys.stderr, flush=True)
    return found


async def _act(crowd: Crowd, num_events: int) -> None:
    """Let `num_events` things happen, IN_FLIGHT at once."""
    left = iter(range(num_events))

    async def somebody() -> None:
        for number in left:
            if number % 100 == 0:
                crowd.look()
            await crowd.do_something()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(IN_FLIGHT):
            tasks.create_task(somebody())


if __name__ == "__main__":
    sys.exit(main())
