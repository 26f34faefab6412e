"""How long is the bot away when a platform breaks the connection, and does it handle what happened meanwhile?

Each way of breaking it is tried 20 times; right after it somebody asks, and somebody presses. Prints one JSON line for
each platform and way. Exits with 1 when the bot was away too long, or something that happened meanwhile was lost or
done twice.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.chat_bot import RunningBot, running_bot
from benchmarks.chat_measures import report
from benchmarks.chat_platforms import STAGES
from benchmarks.chat_stages import UP, Shown, Stage
from benchmarks.chat_worker import stand_in_worker
from tests.parity.waiting import until

TIMES, QUICK_TIMES = 20, 3
TARGET_SECONDS = 2.0
PATIENCE_SECONDS = 20.0
REST_SECONDS = 1.0  # between two breaks
NEW_SESSION = "invalid session"  # not to be resumed: what happens meanwhile is told to nobody, here as on Discord
REST_BEFORE_NEW_SESSION_SECONDS = 6.0  # Discord allows one new session in 5 s
# Slack's SDK closes the old socket once the new one is open, and acknowledges there what came over the old one. Slack
# tells it again then, and nothing is done twice.
SDKS_WAY = "is not open on this socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """One break: seconds until the bot was there again, and until all that happened meanwhile was acknowledged."""

    connected: float
    handled: float


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--platform", choices=sorted(STAGES), action="append")
    arguments = parser.parse_args()
    times = QUICK_TIMES if arguments.quick else TIMES
    rows = [row for name in arguments.platform or sorted(STAGES) for row in asyncio.run(_measure(name, times))]
    for row in rows:
        report(row)
    return 1 if any(row["problems"] for row in rows) else 0


async def _measure(name: str, times: int) -> list[dict[str, Any]]:
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(STAGES[name](times, keep_history=True))
        bot = await stack.enter_async_context(running_bot(stage.environment, until={stage.label}))
        await stack.enter_async_context(stand_in_worker(bot.file))
        await stage.ask(0, "a quiet pond")
        shown = await stage.answer_to("a quiet pond")
        rows = [await _row(stage, bot, shown, how, times) for how in stage.cuts]
        rows[-1]["envelopes_acknowledged_on_the_next_socket"] = sum(SDKS_WAY in text for text in stage.violations)
        others = [text for text in stage.violations if SDKS_WAY not in text]
        rows[-1]["problems"] = [*rows[-1]["problems"], *others[:5], *bot.faults()[:5]]
        return rows


async def _row(stage: Stage, bot: RunningBot, shown: Shown, how: str, times: int) -> dict[str, Any]:
    before = _num_asked(bot), _num_pressed(bot)
    aways = []
    for number in range(times):
        await asyncio.sleep(REST_BEFORE_NEW_SESSION_SECONDS if how == NEW_SESSION else REST_SECONDS)
        aways.append(await _broken(stage, shown, how, number))
    await asyncio.sleep(REST_SECONDS)
    told = _num_asked(bot) - before[0], _num_pressed(bot) - before[1]
    problems = [] if told == (times, times) else [f"{told} asks and presses are stored of {times} each"]
    slowest = max(max(away.connected, away.handled) for away in aways)
    if slowest > TARGET_SECONDS:
        problems.append(f"away for {slowest:.2f} s")
    return {
        "benchmark": "chat_reconnect",
        "platform": stage.platform,
        "how": how,
        "times": times,
        "connected": _summary([away.connected for away in aways]),
        "meanwhile_handled": _summary([away.handled for away in aways]),
        "target_seconds": TARGET_SECONDS,
        "problems": problems,
    }


async def _broken(stage: Stage, shown: Shown, how: str, number: int) -> Away:
    """Break the connection, let somebody ask and press, and wait for the bot."""
    sessions = stage.num_sessions()
    started = time.perf_counter()
    await stage.cut(how)
    connected = asyncio.create_task(_connected(stage, sessions, started))
    if how == NEW_SESSION:
        await connected
    mark = next(mark for mark in shown.marks if mark.startswith(UP))
    ask = asyncio.create_task(stage.ask(number, f"a quiet pond number {number}, {how}"))
    press = asyncio.create_task(stage.press(number, shown, mark))
    acts = await asyncio.gather(ask, press)
    handled = time.perf_counter() - started if all(act.seconds is not None for act in acts) else PATIENCE_SECONDS
    return Away(connected=await connected, handled=handled)


async def _connected(stage: Stage, sessions: int, started: float) -> float:
    await until(lambda: stage.num_sessions() > sessions, "new connection", within_seconds=PATIENCE_SECONDS)
    return time.perf_counter() - started


def _summary(seconds: Sequence[float]) -> dict[str, float]:
    return {"median_seconds": round(statistics.median(seconds), 3), "max_seconds": round(max(seconds), 3)}


def _num_asked(bot: RunningBot) -> int:
    return int(bot.value("SELECT count(*) FROM requests"))


def _num_pressed(bot: RunningBot) -> int:
    return int(bot.value("SELECT count(*) FROM vote_events"))


if __name__ == "__main__":
    sys.exit(main())
