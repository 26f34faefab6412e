"""Each platform is started once; every scenario is then played on each of them, in a place of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.bot.shared_texts import texts_read_once  # noqa: F401 - a fixture
from tests.parity.discord import discord_stage
from tests.parity.slack import SlackStage, slack_http_stage, slack_stage
from tests.parity.stage import Stage
from tests.parity.web import web_stage

STAGES = {"web": web_stage, "discord": discord_stage, "slack": slack_stage}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run this folder's tests on one event loop, so that they can share the running platforms."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=list(STAGES))
async def running_stage(
    request: pytest.FixtureRequest, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """Run one platform with the bot on it."""
    name = str(request.param)
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(STAGES[name](migrated_file, tmp_path_factory.mktemp(name)))


@pytest_asyncio.fixture(loop_scope="session")
async def stage(running_stage: Stage) -> AsyncIterator[Stage]:
    """The platform with a place where nothing was said yet."""
    await running_stage.open_scene()
    yield running_stage
    await running_stage.close_scene()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_http_stage(
    migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SlackStage]:
    """Run Slack's app in HTTP mode."""
    async with slack_http_stage(migrated_file, tmp_path_factory.mktemp("http")) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def http_stage(running_http_stage: SlackStage) -> AsyncIterator[SlackStage]:
    """Slack over signed requests, with a channel where nothing was said yet."""
    await running_http_stage.open_scene()
    yield running_http_stage
    await running_http_stage.close_scene()
