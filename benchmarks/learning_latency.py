"""The learning benchmark's part about waiting: do people notice that a model trains, or that another one takes over?"""

import asyncio
from collections.abc import Callable

from benchmarks.learning_course import Row
from benchmarks.learning_pace import SWAP, SWAP_SECONDS, TRAINING, steadily, times_by_part
from benchmarks.learning_settings import Setting, begun
from benchmarks.raters import crowd

IDLE_SECONDS = 90.0
MAX_P95_RATIO = 2.0


async def measure(setting: Setting, report: Callable[[Row], None]) -> list[str]:
    """Send requests at a pace before, during and after one cycle; return what was missed."""
    taste, scenario = setting.tastes[0], setting.scenario
    async with begun(setting, "latency", crowd(taste)) as (product, chat):
        await chat.agree()
        await chat.ask_and_vote(scenario.num_asks())
        pace = setting.requests_per_second
        async with steadily(chat.measurer, scenario.held_out, requests_per_second=pace) as pacer:
            await asyncio.sleep(IDLE_SECONDS)
            await chat.start_cycle()
            await chat.follow(in_canary=chat.praise)
            await asyncio.sleep(SWAP_SECONDS)
        cycle = await product.latest_cycle()
    parts = times_by_part(pacer.answers, cycle.history)
    row: Row = {"taste": taste.name, "state": cycle.state.value, "requests_per_second": pace}
    row |= {"failed": len(pacer.lost), "failures": pacer.lost[:5], "parts": parts}
    report(row)
    return problems_of(row)


def problems_of(row: Row) -> list[str]:
    """Return what a row misses: requests that failed, or a 95 % above twice that of an idle machine."""
    problems = [f"{row['failed']} requests failed; the first: {row['failures'][0]}"] if row["failed"] else []
    for part in (TRAINING, SWAP):
        ratio = row["parts"][part].get("p95_ratio")
        if ratio is None:
            problems.append(f"too few requests during the part {part}")
        elif ratio > MAX_P95_RATIO:
            problems.append(f"p95 during the part {part} is {ratio} times that of idle; {MAX_P95_RATIO:g} are allowed")
    return problems
