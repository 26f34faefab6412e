"""The real bot against the strict fake Slack: slack-bolt unmodified, real sockets, rows in a real SQLite file."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from bot.delivery import Delivery
from bot.services import Services, open_services
from bot.slack.start import SlackChat
from core.records import Identity, Platform
from core.settings import Settings, load_settings
from storage.database import Database, open_database
from storage.outbox import Outbox
from storage.queue import SqlQueue
from tests.bot.fake_planner import FakePlanner
from tests.bot.fake_worker import FakeWorker
from tests.fakes.slack.messages import Message
from tests.fakes.slack.people import Person, Place
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.views import View
from tests.fakes.slack.workspaces import Channel, Team

OPERATOR_NAME = "olga"
IDEA = "a boy running in the snow"


@dataclass(kw_only=True)
class World:
    """One workspace with a channel, people and the bot, and what the bot works on."""

    slack: FakeSlack
    team: Team
    channel: Channel
    settings: Settings
    database: Database
    queue: SqlQueue
    services: Services
    chat: SlackChat
    worker: FakeWorker
    alice: Place
    bob: Place
    admin: Place
    operator: Place

    def identity(self, place: Place) -> Identity:
        return Identity(
            platform=Platform.SLACK,
            external_id=f"{place.person.team.id}:{place.person.id}",
            workspace_external_id=place.person.team.id,
            conversation_external_id=place.channel.id,
        )

    async def shown(self, find: Callable[[], object], *, within_seconds: float = 20.0) -> object:
        return await self.slack.wait_for(find, within_seconds=within_seconds)

    async def message(self, where: Channel, fragment: str, *, within_seconds: float = 20.0) -> Message:
        """Wait for a message that everybody in `where` sees and whose text contains `fragment`."""
        return await self.slack.wait_for(
            lambda: next((each for each in reversed(where.messages) if fragment in each.text), None),
            within_seconds=within_seconds,
        )

    async def private(self, place: Place, fragment: str, *, within_seconds: float = 20.0) -> Message:
        """Wait for a message that only the person sees."""
        return await self.slack.wait_for(
            lambda: next(
                (each for each in reversed(place.sees()) if each.is_ephemeral and fragment in each.text), None
            ),
            within_seconds=within_seconds,
        )

    async def form(self, person: Person, title: str, *, within_seconds: float = 20.0) -> View:
        """Wait for a form with this title."""
        return await self.slack.wait_for(
            lambda: next((view for view in reversed(person.views) if view.title == title), None),
            within_seconds=within_seconds,
        )

    async def asked(self, place: Place, idea: str = IDEA) -> Message:
        """Ask in the place's channel and wait for the answer."""
        await place.slash("/mjprompt", idea)
        return await self.message(place.channel, f"{idea}, children's book illustration")

    async def direct(self, place: Place, fragment: str, *, within_seconds: float = 20.0) -> Message:
        """Wait for a direct message of the bot's to the person."""
        return await self.message(self.team.direct_channel(place.person), fragment, within_seconds=within_seconds)

    async def requests(self, place: Place) -> list[str]:
        """Return the ids of the person's requests, newest first."""
        views = await self.services.chat.history(self.identity(place), before=None, limit=100)
        return [view.id for view in views]


@pytest.fixture
def database_file(tmp_path: Path, migrated_file: Path) -> Path:
    return Path(shutil.copy(migrated_file, tmp_path / "slack.db"))


@pytest_asyncio.fixture(loop_scope="session")
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as slack:
        slack.retry_delays_seconds[:] = [0.0, 0.02, 0.02]
        yield slack


@pytest.fixture
def socket_settings(slack: FakeSlack, database_file: Path) -> dict[str, object]:
    return {
        "database_url": f"sqlite+aiosqlite:///{database_file}",
        "slack_api_base": slack.api_base,
        "slack_bot_token": "xoxb-canary-bot-token",
        "slack_app_token": slack.app_token,
    }


@pytest_asyncio.fixture(loop_scope="session")
async def world(slack: FakeSlack, socket_settings: dict[str, object]) -> AsyncIterator[World]:
    team = slack.add_team("Snow club", bot_token="xoxb-canary-bot-token")
    operator = team.add_user(OPERATOR_NAME)
    settings = load_settings(_env_file=None, **socket_settings, operator_ids=f"slack:{team.id}:{operator.id}")
    async with running_world(slack, team, settings, operator) as world:
        await slack.wait_until_connected()
        yield world


@asynccontextmanager
async def running_world(slack: FakeSlack, team: Team, settings: Settings, operator: Person) -> AsyncIterator[World]:
    """Run bot, delivery and a worker for `team` until left."""
    channel = team.add_channel("prompts")
    database = open_database(settings.database_url)
    queue = SqlQueue(database, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts)
    services = open_services(database, queue, settings, planner=FakePlanner())
    chat = SlackChat(services, settings, database)
    delivery = Delivery(Outbox(database), services, [chat.gateway], database)
    await chat.start()
    delivering = asyncio.create_task(delivery.run())
    try:
        async with FakeWorker(database, queue) as worker:
            yield World(
                slack=slack,
                team=team,
                channel=channel,
                settings=settings,
                database=database,
                queue=queue,
                services=services,
                chat=chat,
                worker=worker,
                alice=team.add_user("alice").at(channel),
                bob=team.add_user("bob").at(channel),
                admin=team.add_user("ada", is_admin=True).at(channel),
                operator=operator.at(channel),
            )
    finally:
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        await chat.close()
        await database.close()
