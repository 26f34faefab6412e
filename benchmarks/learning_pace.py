"""Requests at a steady pace, whatever the chat does meanwhile, and what became of each."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import aiohttp

from benchmarks import learning_measures as measures
from benchmarks.learning_people import Answer, Refused, Visitor
from core.cycles import CycleState

SWAP_STATES = (CycleState.CANARY, CycleState.PROMOTED)  # a worker takes another adapter in or up when they begin
SWAP_SECONDS = 10.0  # workers look for what has to serve every few seconds
TRAINING_STATES = (CycleState.BUILDING, CycleState.TRAINING, CycleState.EVALUATING)
IDLE, TRAINING, SWAP, OTHER = "idle", "training", "swap", "other"

History = Sequence[tuple[CycleState, datetime]]


class Pacer:
    """What was sent at a pace so far; `lost` says why requests were not answered."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.lost: list[str] = []

    async def send(self, visitor: Visitor, subject: str) -> None:
        """Ask once, and keep what comes of it."""
        try:
            answer = await visitor.ask(subject)
        except (aiohttp.ClientError, TimeoutError, Refused) as error:
            self.lost.append(f"{type(error).__name__}: {error}")
            return
        self.answers.append(answer)
        if answer.problem:
            self.lost.append(answer.problem)


@asynccontextmanager
async def steadily(visitor: Visitor, subjects: Sequence[str], *, requests_per_second: float) -> AsyncIterator[Pacer]:
    """Send requests until left, and then wait for the answers to those that are on their way."""
    pacer, loop = Pacer(), asyncio.get_running_loop()

    async def send_all(sending: asyncio.TaskGroup) -> None:
        began = loop.time()
        for number in itertools.count():
            await asyncio.sleep(began + number / requests_per_second - loop.time())
            sending.create_task(pacer.send(visitor, subjects[number % len(subjects)]))

    async with asyncio.TaskGroup() as sending:
        pacing = sending.create_task(send_all(sending))
        try:
            yield pacer
        finally:
            pacing.cancel()


def part_of(answer: Answer, history: History) -> str:
    """Say what went on while a request was answered: a swap, a training, nothing yet, or something else."""
    ended_at = answer.sent_at + timedelta(seconds=answer.seconds)
    for state, began in history:
        is_swap = state in SWAP_STATES
        if is_swap and answer.sent_at <= began + timedelta(seconds=SWAP_SECONDS) and ended_at >= began:
            return SWAP
    if ended_at < history[0][1]:
        return IDLE
    present = next((state for state, began in reversed(history) if began <= answer.sent_at), None)
    return TRAINING if present in TRAINING_STATES else OTHER


def times_by_part(answers: Sequence[Answer], history: History) -> dict[str, dict[str, float]]:
    """Return median, 95 % and count of the seconds to an answer in each part, and the ratio of the 95 % to idle."""
    seconds: dict[str, list[float]] = {IDLE: [], TRAINING: [], SWAP: [], OTHER: []}
    for answer in answers:
        seconds[part_of(answer, history)].append(answer.seconds)
    rows = {part: measures.times(values) for part, values in seconds.items()}
    idle = rows[IDLE].get("p95_seconds")
    for row in rows.values():
        if idle and "p95_seconds" in row:
            row["p95_ratio"] = round(row["p95_seconds"] / idle, 2)
    return rows
