"""A chat in this process: people with a hidden taste ask the pocket model, its worker answers, and they vote.

Services, queue, worker and engine are the product's own; only the processes around them are missing. It knows no
cycle, which is carried out in between on the same database.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.raters import Crowd, Taste, liked_share
from bot.service import ChatService
from core.records import Identity, Platform, RequestState, RequestView
from core.settings import Settings
from falcon.generator import Generator
from falcon.serving import load_generator
from storage.database import Database, open_database
from storage.identifiers import new_id
from storage.queue import SqlQueue
from worker.adapter_follower import AdapterFollower, follower_of
from worker.answering import Answerer
from worker.engine_thread import EngineThread

LEASE_SECONDS = 600.0
MAX_STOP_SECONDS = 10.0
MEASURER = "the one who measures"  # agrees to nothing and votes on nothing

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An answer, and the name of who asked for it."""

    name: str
    answer: RequestView


class PocketChat:
    """The people of a crowd over one database; `run` waits for what is asynchronous."""

    def __init__(
        self, run: Run, database: Database, engine: EngineThread, follower: AdapterFollower, settings: Settings
    ) -> None:
        self._run, self._follower = run, follower
        self._queue = SqlQueue(database, lease_seconds=LEASE_SECONDS, max_attempts=1)
        self._service = ChatService(database, self._queue, settings)
        self._answerer = Answerer(
            self._queue,
            engine,
            model=engine.info,
            max_batch_requests=engine.capacity or 1,
            lease_seconds=LEASE_SECONDS,
            adapters=follower.served,
        )

    @property
    def serving(self) -> str | None:
        """Return the adapter that answered last by default; None for the base alone."""
        return self._follower.served.lineup.active

    def ask(self, people: Crowd, subjects: Sequence[str]) -> list[Asked]:
        """Let people, who agree to be learned from, ask these subjects in turn; return the answers."""
        for rater in people.raters:
            self._run(self._service.set_consent(identity_of(rater.name), is_given=True))
        names = [rater.name for rater, _ in zip(itertools.cycle(people.raters), subjects, strict=False)]
        return self._run(self._answered(names, subjects))

    def vote(self, people: Crowd, asked: Sequence[Asked]) -> None:
        """Let everybody judge every prompt of the answers that they asked for."""
        self._run(self._vote(people, asked))

    def liked_share(self, taste: Taste, subjects: Sequence[str]) -> float:
        """Return the share of prompts for `subjects` that please `taste`, 0 to 1; nobody votes on them."""
        asked = self._run(self._answered([MEASURER] * len(subjects), subjects))
        return liked_share(
            taste, [(one.answer.subject, prompt.text) for one in asked for prompt in one.answer.candidates]
        )

    async def _answered(self, names: Sequence[str], subjects: Sequence[str]) -> list[Asked]:
        """Ask one subject for each name, and let the worker answer by what the registry names now."""
        people = [identity_of(name) for name in names]
        asked = [await self._service.ask(person, subject) for person, subject in zip(people, subjects, strict=True)]
        await self._follower.follow()
        while claims := await self._queue.claim("the worker", self._answerer.max_requests):
            await self._answerer.answer(claims)
        answers = [await self._service.view(person, one.id) for person, one in zip(people, asked, strict=True)]
        assert {answer.state for answer in answers} == {RequestState.DONE}
        return [Asked(name=name, answer=answer) for name, answer in zip(names, answers, strict=True)]

    async def _vote(self, people: Crowd, asked: Sequence[Asked]) -> None:
        raters = {rater.name: rater for rater in people.raters}
        for one in asked:
            for prompt in one.answer.candidates:
                thumb = raters[one.name].vote(prompt.text, one.answer.subject)
                await self._service.vote(identity_of(one.name), prompt.id, thumb, event_id=new_id())


@contextmanager
def open_chat(settings: Settings) -> Iterator[PocketChat]:
    """Open a chat over the database of `settings`, with the model that they name."""
    engine = EngineThread(partial(load_generator, settings))
    database = open_database(settings.database_url)
    with asyncio.Runner() as runner:
        try:
            model = runner.run(engine.start())
            follower = follower_of(database, engine, settings, load_with=_load_again)
            assert follower is not None
            runner.run(follower.begin(model))
            yield PocketChat(runner.run, database, engine, follower, settings)
        finally:
            runner.run(database.close())
            assert runner.run(engine.stop(timeout_seconds=MAX_STOP_SECONDS))


def identity_of(name: str) -> Identity:
    """Return who somebody of this name is in the chat."""
    return Identity(platform=Platform.TERMINAL, external_id=name)


def _load_again(_: object) -> Generator:
    raise AssertionError("an engine with slots is never loaded again")
