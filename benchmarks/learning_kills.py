"""The learning benchmark's part about kill -9: a cycle ends as an undisturbed one, and nobody's request is lost.

Every trial begins with a copy of one database that has all votes. Requests come at a steady pace meanwhile. In the
canary everybody likes what the new adapter wrote and nothing else, so that only a kill could change how it ends.
"""

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.learning_chat import OPERATOR, Chat, open_chat
from benchmarks.learning_course import Row
from benchmarks.learning_pace import steadily
from benchmarks.learning_people import visitor_id_of
from benchmarks.learning_product import Product, Victim, running_product
from benchmarks.learning_settings import Setting, begun
from benchmarks.raters import crowd

KILLS_PER_CYCLE = 4
# The keeper gives a cycle up whose trainer ends three times in one state, as it should; two are survived.
MAX_TRAINER_KILLS = 2
MIN_GAP_SECONDS = 8.0  # so that a worker comes up between two kills: a request is tried twice at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill -9, so many seconds after the cycle was started."""

    at_seconds: float
    victim: Victim


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a cycle ended. `num_votes` came in, `sha256` is of the adapter's weights, `lost` of the requests."""

    state: str
    has_passed_gate: bool | None
    num_votes: int | None
    sha256: str | None
    num_requests: int
    lost: tuple[str, ...]
    seconds: float
    kills: tuple[tuple[str, str], ...] = field(default=())  # (victim, state of the cycle), of those that hit

    def problems(self, undisturbed: "End") -> list[str]:
        """Return what differs from an undisturbed cycle."""
        problems = [f"a request was lost: {text}" for text in self.lost[:3]]
        for name in ("state", "has_passed_gate", "num_votes"):
            mine, wanted = getattr(self, name), getattr(undisturbed, name)
            if mine != wanted:
                problems.append(f"{name} is {mine}, and {wanted} without kills")
        return problems


async def measure(setting: Setting, report: Callable[[Row], None]) -> list[str]:
    """Kill until so many kills have hit; return what went otherwise than without them."""
    template = await _template(setting)
    undisturbed = await _cycle(setting, template, "undisturbed", ())
    report(_row("undisturbed", undisturbed, undisturbed))
    problems, num_kills, number = list(undisturbed.problems(undisturbed)), 0, setting.first_trial
    hits: Counter[tuple[str, str]] = Counter()
    while num_kills < setting.num_kills and number < setting.first_trial + setting.num_kills:
        plan = kills(undisturbed.seconds, count=min(KILLS_PER_CYCLE, setting.num_kills - num_kills), seed=number)
        end = await _cycle(setting, template, f"killed-{number}", plan)
        report(_row(f"killed-{number}", end, undisturbed))
        problems += [f"killed-{number}: {problem}" for problem in end.problems(undisturbed)]
        hits.update(end.kills)
        num_kills, number = num_kills + len(end.kills), number + 1
    report(
        {
            "kills": num_kills,
            "cycles": number - setting.first_trial,
            "hits": {" in ".join(hit): count for hit, count in hits.items()},
        }
    )
    return problems


def kills(length_seconds: float, *, count: int, seed: int) -> tuple[Kill, ...]:
    """Return kills at random moments of a cycle of this length, in order, as far apart as a worker needs to come up."""
    chance = random.Random(seed)
    moments = sorted(chance.uniform(0, length_seconds) for _ in range(count))
    moments = [moment + place * MIN_GAP_SECONDS for place, moment in enumerate(moments)]
    victims = [chance.choice(list(Victim)) for _ in moments]
    while victims.count(Victim.TRAINER) > MAX_TRAINER_KILLS:
        victims[victims.index(Victim.TRAINER)] = chance.choice([Victim.RUN, Victim.WORKER])
    return tuple(
        Kill(at_seconds=round(moment, 2), victim=victim) for moment, victim in zip(moments, victims, strict=True)
    )


async def _template(setting: Setting) -> Path:
    """Return a folder with a database that has all votes, and the settings."""
    async with begun(setting, "votes", crowd(setting.tastes[0])) as (product, chat):
        await chat.agree()
        await chat.ask_and_vote(setting.scenario.num_asks())
    return product.folder


async def _cycle(setting: Setting, template: Path, name: str, plan: tuple[Kill, ...]) -> End:
    """Carry a cycle out over a copy of the template, with kills as planned, and return how it ended."""
    folder = setting.folder / name
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns("*.log"))
    people = crowd(setting.tastes[0])
    async with (
        running_product(folder, operator_id=visitor_id_of(OPERATOR)) as product,
        open_chat(product.address, people, setting.scenario) as chat,
    ):
        chat.skip(setting.scenario.num_asks())
        held_out, pace = setting.scenario.held_out, setting.requests_per_second
        async with steadily(chat.measurer, held_out, requests_per_second=pace) as pacer:
            seconds, hits = await _disturbed(product, chat, plan)
        return await _end(product, pacer.lost, num_requests=len(pacer.answers), seconds=seconds, hits=hits)


async def _disturbed(product: Product, chat: Chat, plan: tuple[Kill, ...]) -> tuple[float, list[tuple[str, str]]]:
    """Start a cycle, kill as planned, and wait for its end; return its seconds and what was hit."""
    loop = asyncio.get_running_loop()
    hits: list[tuple[str, str]] = []
    await chat.start_cycle()
    began = loop.time()

    async def kill_all() -> None:
        for kill in plan:
            await asyncio.sleep(began + kill.at_seconds - loop.time())
            state = (await product.latest_cycle()).state
            if state.is_open and await product.kill(kill.victim):
                hits.append((kill.victim.value, state.value))

    killing = asyncio.create_task(kill_all())
    await chat.follow(in_canary=chat.praise)
    seconds = loop.time() - began
    await killing
    return seconds, hits


async def _end(
    product: Product, lost: list[str], *, num_requests: int, seconds: float, hits: list[tuple[str, str]]
) -> End:
    cycle = await product.latest_cycle()
    report = (cycle.feedback or {}).get("report")
    return End(
        state=cycle.state.value,
        has_passed_gate=bool(cycle.gate["is_passed"]) if cycle.gate is not None else None,
        num_votes=report["num_votes"] if isinstance(report, dict) else None,
        sha256=product.sha256_of(cycle.adapter) if cycle.adapter is not None else None,
        num_requests=num_requests,
        lost=tuple(lost),
        seconds=round(seconds, 1),
        kills=tuple(hits),
    )


def _row(name: str, end: End, undisturbed: End) -> Row:
    return {
        "course": name,
        "state": end.state,
        "has_passed_gate": end.has_passed_gate,
        "votes": end.num_votes,
        "has_same_weights": end.sha256 == undisturbed.sha256,
        "requests": end.num_requests,
        "lost": len(end.lost),
        "seconds": end.seconds,
        "kills": [f"{victim} in {state}" for victim, state in end.kills],
    }
