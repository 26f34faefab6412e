"""One platform with the bot on it, a real SQLite file and a worker without a model; scenes share it one by one."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bot.ask_options import AskOptions
from bot.services import Services, open_services
from core.records import Identity, Platform
from core.settings import Settings, load_settings
from storage import clock
from storage.database import Database, open_database
from storage.queue import SqlQueue
from storage.states import AdapterState
from storage.tables import AdapterRow
from tests.bot.fake_planner import FakePlanner
from tests.bot.fake_worker import MODEL, FakeWorker
from tests.parity.protocol import Person
from tests.parity.truth import Truth
from tests.parity.waiting import until

MAX_OPEN_REQUESTS = 5


class Core:
    """What every stage stands on: the services over one database file, and the worker."""

    def __init__(self, settings: Settings, file: Path) -> None:
        self.settings = settings
        self.file = file
        self.database: Database = open_database(settings.database_url)
        self.queue = SqlQueue(self.database, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts)
        self.services: Services = open_services(self.database, self.queue, settings, planner=FakePlanner())
        self.worker = FakeWorker(self.database, self.queue)
        self.truth = Truth(file)

    async def add_adapter(self, adapter_id: str) -> None:
        """Put an adapter there that could be promoted."""
        now = clock.utc_now()
        async with self.database.write() as session:
            session.add(
                AdapterRow(
                    id=adapter_id,
                    state=AdapterState.CANDIDATE,
                    base_model=MODEL.base,
                    folder=f"adapters/{adapter_id}",
                    metrics={},
                    created_at=now,
                    updated_at=now,
                )
            )


@asynccontextmanager
async def running_core(
    empty: Path, folder: Path, *, has_worker: bool = True, **settings: object
) -> AsyncIterator[Core]:
    """Open a copy of the `empty` database with these settings, untouched by the environment."""
    file = Path(shutil.copy(empty, folder / "parity.db"))
    defaults = {
        "database_url": f"sqlite+aiosqlite:///{file}",
        "web_port": 0,
        "web_password": None,
        "max_open_requests_per_user": MAX_OPEN_REQUESTS,
    }
    core = Core(load_settings(_env_file=None, **(defaults | settings)), file)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(core.database.close)
        stack.callback(core.truth.close)
        if has_worker:
            await stack.enter_async_context(core.worker)
        yield core


class Stage(ABC):
    """One running platform."""

    platform: Platform
    has_workspaces = True  # False: everybody is alone with the bot, and there is nothing to administer

    def __init__(self, core: Core) -> None:
        self.core = core
        self.services = core.services
        self.worker = core.worker
        self.truth = core.truth

    @abstractmethod
    def newcomer(self, *, is_admin: bool = False) -> Person:
        """Return somebody who has not used the bot before, in the scene's place."""

    @abstractmethod
    def operator(self) -> Person:
        """Return the person whom OPERATOR_IDS lists."""

    @abstractmethod
    async def open_scene(self) -> None:
        """Make a place where nothing was said yet."""

    @abstractmethod
    async def close_scene(self) -> None:
        """Leave nothing of the scene that another one would notice; check that no rule was broken in it."""

    async def foreign_request(self) -> str:
        """Return the answered request of somebody whom nobody of the scene shares a place with."""
        alone = Identity(platform=self.platform, external_id="999:999")
        elsewhere = Identity(
            platform=self.platform,
            external_id="999:999",
            workspace_external_id="998",
            conversation_external_id="997",
        )
        view = await self.services.chat.ask(
            elsewhere if self.has_workspaces else alone,
            "a sealed letter",
            options=AskOptions(is_private=not self.has_workspaces),
        )
        await until(lambda: self.truth.state_of(view.id) == "done", "answer to the foreign request")
        return view.id
