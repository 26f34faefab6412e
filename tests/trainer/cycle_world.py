"""Cycles, adapters and votes of a test: the shortest way to any state of a cycle."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text

from core.cycles import CycleState, CycleView
from core.records import CandidateDraft, Identity, NewRequest, Platform, Thumb
from core.settings import Settings
from storage import consents, cycles, requests, serving, training_runs, users, votes
from storage.database import Database, open_database
from storage.identifiers import new_id
from storage.queue import SqlQueue
from storage.training_runs import Owner
from tests.storage.conftest import MODEL
from trainer.cycle_config import CycleConfig

WAY = (
    CycleState.PLANNED,
    CycleState.BUILDING,
    CycleState.TRAINING,
    CycleState.EVALUATING,
    CycleState.GATED,
    CycleState.CANARY,
)
Result = TypeVar("Result")
OTHER = Owner("elsewhere", 1)


def settings_for(url: str, **values: object) -> Settings:
    """Return settings that no environment and no file of this machine changes."""
    return Settings(_env_file=None, database_url=url, model_id="pocket", **values)  # type: ignore[call-arg]


def at_once(url: str, act: "Callable[[CycleWorld], Awaitable[Result]]") -> Result:
    """Do `act` on the database at `url` from where nothing is asynchronous."""

    async def work() -> Result:
        database = open_database(url)
        try:
            return await act(CycleWorld(database))
        finally:
            await database.close()

    return asyncio.run(work())


class CycleWorld:
    """People whose votes may be learned from, adapters, and one cycle at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = SqlQueue(database, lease_seconds=30, max_attempts=2)

    async def adapter(self, folder: Path | str = "nowhere") -> str:
        """Return a trained adapter that nobody has measured yet."""
        async with self.database.write() as session:
            run_id = await training_runs.create(
                session, base_model=MODEL.base, base_revision=None, config={}, seed=0, run_id=new_id()
            )
            await training_runs.claim(
                session, run_id, host="h", process_id=1, folder=str(folder), is_alive=lambda _: False
            )
            assert await training_runs.finish(session, run_id, metrics={}, adapter_folder=str(folder))
        return run_id

    async def touch(self, adapter_id: str) -> None:
        """Say that somebody whose votes an adapter learned from was forgotten."""
        async with self.database.write() as session:
            await session.execute(text("UPDATE adapters SET num_forgotten = 1 WHERE id = :id"), {"id": adapter_id})

    async def planned(self, config: CycleConfig | None = None, *, champion: str | None = None) -> str:
        return await self.planned_with(asdict(config or CycleConfig()), champion=champion)

    async def planned_with(self, config: Mapping[str, object], *, champion: str | None = None) -> str:
        async with self.database.write() as session:
            return await cycles.create(
                session, base_model=MODEL.base, champion_id=champion, config=config, is_automatic=False
            )

    async def cycle(self, state: CycleState, config: CycleConfig | None = None) -> CycleView:
        """Return a cycle in `state`, with an adapter as soon as it has one."""
        cycle_id = await self.planned(config)
        for before, after in itertools.pairwise(WAY[: WAY.index(state) + 1]):
            values: dict[str, object] = {}
            if after is CycleState.EVALUATING:
                adapter_id = await self.adapter()
                values = {"adapter_id": adapter_id, "run_id": adapter_id}
            async with self.database.write() as session:
                if after is CycleState.CANARY:
                    assert await serving.start_canary(session, (await cycles.view(session, cycle_id)).adapter or "")
                assert await cycles.advance(session, cycle_id, before=before, after=after, **values)
        return await self.view(cycle_id)

    async def view(self, cycle_id: str) -> CycleView:
        async with self.database.read() as session:
            return await cycles.view(session, cycle_id)

    async def want_end(self, cycle_id: str) -> None:
        async with self.database.write() as session:
            assert await cycles.request_cancel(session, cycle_id)

    async def take_over(self, cycle_id: str, owner: Owner = OTHER) -> None:
        """Let another process have the cycle."""
        async with self.database.write() as session:
            await cycles.claim(session, cycle_id, owner=owner, is_alive=lambda _: False)

    async def forget_owner(self, cycle_id: str) -> None:
        """Leave the cycle as if the other process had died and somebody had noticed."""
        async with self.database.write() as session:
            await cycles.release(session, cycle_id, owner=OTHER)

    async def owner_of(self, cycle_id: str) -> Owner | None:
        async with self.database.read() as session:
            found = await cycles.owner_of(session, cycle_id)
        return found and Owner(found.host, found.process_id)

    async def person(self, name: str, *, is_agreed: bool = True) -> str:
        async with self.database.write() as session:
            user_id = await users.ensure_user(session, Identity(platform=Platform.TERMINAL, external_id=name))
            await consents.record(session, user_id, is_given=is_agreed)
        return user_id

    async def vote(
        self, name: str, thumbs: Sequence[Thumb], *, adapter: str | None = None, is_agreed: bool = True
    ) -> None:
        """Let a person ask once and press one thumb on each prompt of the answer, which `adapter` wrote."""
        user_id = await self.person(name, is_agreed=is_agreed)
        async with self.database.write() as session:
            request = NewRequest(idea="a boy", subject="a boy", timeout_seconds=60)
            request_id = await self.queue.enqueue(session, user_id, request)
        (claim,) = await self.queue.claim("w", 1, only=request_id)
        drafts = [CandidateDraft(rank=rank, text=f"a boy, {rank}", score=-1.0) for rank in range(1, len(thumbs) + 1)]
        assert await self.queue.complete(claim, drafts, replace(MODEL, adapter=adapter), {}, 0.1)
        async with self.database.read() as session:
            shown = (await requests.view(session, request_id, viewer_id=user_id)).candidates
        for candidate, thumb in zip(shown, thumbs, strict=True):
            async with self.database.write() as session:
                await votes.cast(
                    session,
                    user_id=user_id,
                    candidate_id=candidate.id,
                    thumb=thumb,
                    event_id=new_id(),
                )
