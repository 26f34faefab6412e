"""The chat of a simulation: its people, its operator, and somebody who only measures.

It speaks to an address and knows no process behind it.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import aiohttp

from benchmarks.learning_people import Answer, Json, Person, Refused, Visitor, together
from benchmarks.learning_scenario import Scenario
from benchmarks.raters import Crowd, Rater, rater_of

OPERATOR = "the operator"
MEASURER = "the one who measures"  # agrees to nothing and votes on nothing
CYCLE_SECONDS = 3600.0
SERVING_SECONDS = 300.0
LOOK_SECONDS = 1.0
CANARY_ASKS = 4  # between two looks at the cycle
MAX_CANARY_ASKS = 400

Judge = Callable[[Person, Answer], Rater]  # by whose taste a person votes on an answer


def as_themselves(person: Person, _: Answer) -> Rater:
    """Let a person vote by their own taste."""
    return person.rater


@dataclass(frozen=True, slots=True)
class LikesAll:
    """Likes every prompt, or none."""

    is_pleased: bool

    @property
    def name(self) -> str:
        """Return what it likes."""
        return "everything" if self.is_pleased else "nothing"

    def likes(self, prompt: str, subject: str = "") -> bool:
        """Say the same of every prompt."""
        del prompt, subject
        return self.is_pleased


def in_favour_of(adapter: str, person: Person, answer: Answer) -> Rater:
    """Return somebody in a person's place who likes what `adapter` wrote and nothing else."""
    return Rater(name=person.rater.name, taste=LikesAll(answer.adapter == adapter), noise=0.0)


class Chat:
    """People of a crowd at one chat; what they ask goes on through the subjects of `scenario`."""

    def __init__(self, http: aiohttp.ClientSession, address: str, crowd: Crowd, scenario: Scenario) -> None:
        self._scenario, self._crowd = scenario, crowd
        self.operator = Visitor(http, address, OPERATOR)
        self.measurer = Visitor(http, address, MEASURER)
        self.people = {
            rater.name: Person(visitor=Visitor(http, address, rater.name), rater=rater) for rater in crowd.raters
        }
        self._numbers = itertools.count()
        self.asked: list[tuple[Person, Answer]] = []

    @property
    def num_votes(self) -> int:
        """Return how many prompts were voted on."""
        return sum(len(answer.prompts) for _, answer in self.asked)

    def skip(self, count: int) -> None:
        """Go past the next `count` subjects, which were asked before."""
        for _ in range(count):
            next(self._numbers)

    async def agree(self) -> None:
        """Let everybody agree to be learned from."""
        await together([person.visitor.agree for person in self.people.values()])

    async def ask_and_vote(self, count: int, *, judge: Judge = as_themselves) -> None:
        """Let people ask the next `count` subjects and judge what they get, each as `judge` says.

        Raises:
            RuntimeError: a request was not answered.
        """
        asked = await together([partial(self._ask, next(self._numbers), judge) for _ in range(count)])
        self.asked += asked
        lost = [answer for _, answer in asked if answer.problem]
        if lost:
            raise RuntimeError(f"{len(lost)} requests were not answered; the first: {lost[0].problem}")

    async def vote_anew(self, asked: Sequence[tuple[Person, Answer]], judge: Judge) -> None:
        """Let people change their votes on what they asked, each as `judge` says."""
        await together([partial(person.vote, answer, judge(person, answer)) for person, answer in asked])

    async def held_out_answers(self) -> list[Answer]:
        """Return the answers to the held-out subjects, which nobody votes on.

        Raises:
            RuntimeError: a request was not answered.
        """
        answers = await together([partial(self.measurer.ask, subject) for subject in self._scenario.held_out])
        lost = [answer for answer in answers if answer.problem]
        if lost:
            raise RuntimeError(f"{len(lost)} held-out requests were not answered; the first: {lost[0].problem}")
        return answers

    async def start_cycle(self) -> None:
        """Start a cycle as its operator. Raises: Refused, when another one is open."""
        await self.operator.call("POST", "/api/retrain")

    async def cancel_cycle(self) -> None:
        """Cancel the open cycle; one that has just ended stays as it is."""
        try:
            await self.operator.call("POST", "/api/cycle/cancel")
        except Refused as refused:
            if refused.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    async def cycle(self) -> Json:
        """Return the present cycle as the operator is shown it."""
        cycle: Json = (await self.operator.call("GET", "/api/cycle"))["cycle"]
        return cycle

    async def follow(self, *, in_canary: Callable[[Json], Awaitable[None]] | None = None) -> Json:
        """Wait for the end of the open cycle and return it; people vote while it has a canary, unless told otherwise.

        Raises:
            RuntimeError: it does not end.
        """
        deadline, num_asks = time.monotonic() + CYCLE_SECONDS, 0
        while (cycle := await self.cycle())["is_open"]:
            if time.monotonic() > deadline or num_asks > MAX_CANARY_ASKS:
                raise RuntimeError(f"the cycle {cycle['id']} stays in the state {cycle['state']}")
            if cycle["state"] != "canary":
                await asyncio.sleep(LOOK_SECONDS)
            elif in_canary is not None:
                await in_canary(cycle)
                await asyncio.sleep(LOOK_SECONDS)
            else:
                await self.ask_and_vote(CANARY_ASKS)
                num_asks += CANARY_ASKS
        return cycle

    async def praise(self, cycle: Json) -> None:
        """Let people ask some more and like what the cycle's adapter wrote and nothing else, so that it is promoted."""
        await self.ask_and_vote(CANARY_ASKS, judge=partial(in_favour_of, cycle["adapter"]))

    async def await_serving(self, adapter: str | None) -> None:
        """Wait until a worker answers by `adapter` (None: the base alone).

        Raises:
            TimeoutError: none does.
        """
        async with asyncio.timeout(SERVING_SECONDS):
            while True:
                status = await self.operator.call("GET", "/api/status")
                if status["state"] == "ready" and (status["model"] or {}).get("adapter") == adapter:
                    return
                await asyncio.sleep(LOOK_SECONDS)

    async def _ask(self, number: int, judge: Judge) -> tuple[Person, Answer]:
        person = self.people[rater_of(number, self._crowd).name]
        answer = await person.visitor.ask(self._scenario.subject(number))
        await person.vote(answer, judge(person, answer))
        return person, answer


@asynccontextmanager
async def open_chat(address: str, crowd: Crowd, scenario: Scenario) -> AsyncIterator[Chat]:
    """Open the browsers of everybody, without a cookie jar: each call carries its visitor's own cookie."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Chat(http, address, crowd, scenario)
