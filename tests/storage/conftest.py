"""A migrated database for each test, a clock that tests move, and a small cast of people who ask and vote."""

import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from core.records import (
    CandidateDraft,
    ClaimedRequest,
    Identity,
    ModelInfo,
    NewRequest,
    Platform,
    RequestState,
    RequestView,
)
from storage import clock, requests, users
from storage.database import Database, open_database
from storage.migrations import upgrade
from storage.queue import SqlQueue

LEASE_SECONDS = 30.0
TIMEOUT_SECONDS = 120.0
MAX_ATTEMPTS = 2
MODEL = ModelInfo(base="pocket", adapter=None, precision="fp32", device="cpu")


class MovableClock:
    """Stands still at the moment the test began, until the test moves it."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def utc_now(self) -> datetime:
        return self._now

    def forward(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class World:
    """People who ask, and a queue with a worker called "w": the shortest way to any state of a request."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = SqlQueue(database, lease_seconds=LEASE_SECONDS, max_attempts=MAX_ATTEMPTS)

    async def user(self, name: str = "ann", *, workspace: str | None = None) -> str:
        identity = Identity(
            platform=Platform.DISCORD, external_id=name, display_name=name, workspace_external_id=workspace
        )
        async with self.database.write() as session:
            return await users.ensure_user(session, identity)

    async def ask(
        self,
        name: str = "ann",
        *,
        workspace: str | None = None,
        conversation: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        **changes: object,
    ) -> str:
        user_id = await self.user(name, workspace=workspace)
        request = NewRequest(
            idea="a boy --ar 3:2",
            subject="a boy",
            parameters="--ar 3:2",
            images=("https://example.org/a.png",),
            timeout_seconds=timeout_seconds,
        )
        async with self.database.write() as session:
            return await self.queue.enqueue(
                session, user_id, replace(request, **changes), conversation_external_id=conversation
            )

    async def claim_one(self, request_id: str | None = None) -> ClaimedRequest:
        (claim,) = await self.queue.claim("w", 1, only=request_id)
        return claim

    async def complete(self, claim: ClaimedRequest, *, texts: Sequence[str] = ("one", "two")) -> bool:
        drafts = [CandidateDraft(rank=rank, text=text, score=-rank / 10) for rank, text in enumerate(texts, start=1)]
        return await self.queue.complete(claim, drafts, MODEL, {"num_beams": 8}, 0.5)

    async def answered(self, name: str = "ann", **changes: object) -> RequestView:
        """A request by `name` with two candidates."""
        request_id = await self.ask(name, **changes)
        assert await self.complete(await self.claim_one(request_id))
        return await self.view(request_id)

    async def view(self, request_id: str, *, viewer: str = "ann") -> RequestView:
        viewer_id = await self.user(viewer)
        async with self.database.read() as session:
            return await requests.view(session, request_id, viewer_id=viewer_id)

    async def state(self, request_id: str) -> RequestState:
        return (await self.view(request_id)).state

    async def count(self, table: str) -> int:
        async with self.database.read() as session:
            return (await session.scalars(text(f"SELECT count(*) FROM {table}"))).one()


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database at the newest revision, to be copied and never opened."""
    path = tmp_path_factory.mktemp("migrated") / "template.db"
    upgrade(sqlite_url(path))
    return path


@pytest.fixture
def new_database(migrated_file: Path, tmp_path: Path) -> Callable[[], str]:
    """Makes one more empty migrated database at each call and returns its URL."""

    def make() -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
        shutil.copy(migrated_file, path)
        return sqlite_url(path)

    return make


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = open_database(url)
    yield database
    await database.close()


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture(scope="session")
def world_of() -> type[World]:
    """Makes a world of a database of one's own."""
    return World


@pytest.fixture
def moved_clock(monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    movable = MovableClock()
    monkeypatch.setattr(clock, "utc_now", movable.utc_now)
    return movable
