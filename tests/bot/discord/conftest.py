"""The real bot inside SimCord: discord.py unmodified, Discord in this process, rows in a real SQLite file."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import simcord
from simcord.actors import MemberActor
from simcord.backend import serializers
from simcord.builders import ChannelHandle, GuildHandle
from simcord.interactions import base_payload
from simcord.results import InteractionResult, ResponseMessage

from bot.delivery import Delivery
from bot.discord.client import DiscordBot
from bot.discord.gateway import DiscordGateway
from bot.services import Services, open_services
from core.records import Identity, Platform, WorkspaceSettings
from core.settings import Settings, load_settings
from storage.database import Database, open_database
from storage.outbox import Outbox
from storage.queue import SqlQueue
from tests.bot.fake_planner import FakePlanner
from tests.bot.fake_worker import FakeWorker


def identity(actor: MemberActor, world: "World") -> Identity:
    """Return an actor as the services know them, in the world's channel."""
    return Identity(
        platform=Platform.DISCORD,
        external_id=str(actor.id),
        workspace_external_id=str(world.guild.id),
        conversation_external_id=str(world.channel.id),
    )


@dataclass(kw_only=True)
class World:
    """One server with a channel, two members and the bot, and the services that it works on."""

    env: simcord.Env
    settings: Settings
    database: Database
    queue: SqlQueue
    services: Services
    guild: GuildHandle
    channel: ChannelHandle
    alice: MemberActor
    bob: MemberActor

    def new_bot(self) -> DiscordBot:
        return DiscordBot(self.services, shard_count=1, redraw_pause_seconds=0.01)

    async def restart(self) -> None:
        """Have a fresh bot take over, which knows nothing but the database."""
        await self.env.restart_bot(self.new_bot())

    @property
    def delivery(self) -> Delivery:
        gateway = DiscordGateway(lambda: self.env.bot, self.services.catalogs)
        return Delivery(Outbox(self.database), self.services, [gateway], self.database)

    async def answer(self) -> None:
        """Have everything that waits answered and delivered."""
        async with FakeWorker(self.database, self.queue):
            await self.until_answered()
        await self.deliver()

    async def until_answered(self) -> None:
        async with asyncio.timeout(10):
            while (await self.services.chat.status()).queue_length:
                await asyncio.sleep(0.02)

    async def deliver(self) -> int:
        number = await self.delivery.deliver_due()
        await self.env.settle()
        return number

    async def progress(self) -> None:
        """Have the waiting messages show where their requests are, as delivery does all the time."""
        running = asyncio.create_task(self.delivery.run())
        await asyncio.sleep(0.6)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def decide(self, settings: WorkspaceSettings) -> None:
        """Have the server's admins decide about its settings."""
        await self.services.administration.change_settings(
            identity(self.alice, self), settings, is_workspace_admin=True
        )

    async def appoint(self, actor: MemberActor) -> None:
        """Make somebody an operator, which takes a restart."""
        settings = self.settings.model_copy(update={"operator_ids": f"discord:{actor.id}"})
        self.services = open_services(self.database, self.queue, settings, planner=FakePlanner())
        await self.restart()

    async def press_without_waiting(self, actor: MemberActor, message: ResponseMessage | None, custom_id: str) -> None:
        """Press a button while the bot is still busy with the one before."""
        assert message is not None
        record, payload = base_payload(
            self.env.backend,
            type=3,
            channel_id=message.channel_id,
            guild_id=self.guild.id,
            user_id=actor.id,
            data={"custom_id": custom_id, "component_type": 2},
        )
        record.source_message_id = message.id
        stored = self.env.backend.get_message(message.channel_id, message.id)
        payload["message"] = dict(serializers.message_payload(self.env.backend, stored))
        self.env.backend.emit("INTERACTION_CREATE", payload)
        await asyncio.sleep(0)

    def messages_in(self, channel: ChannelHandle) -> list[ResponseMessage]:
        """Return the bot's messages in a channel, oldest first."""
        bot_id = self.env.backend.bot_user.id
        messages = self.env.backend.messages.get(channel.id, {}).values()
        return [ResponseMessage(self.env, message) for message in messages if message.author_id == bot_id]

    async def ask(self, idea: str = "a boy running in the snow", **options: Any) -> InteractionResult:
        """Have alice ask, and get the answer into her message."""
        result = await self.alice.slash(self.channel, "mjprompt", idea=idea, **options)
        await self.answer()
        return result


@pytest.fixture
def discord_settings(tmp_path: Path, migrated_file: Path) -> Settings:
    file = Path(shutil.copy(migrated_file, tmp_path / "discord.db"))
    return load_settings(_env_file=None, database_url=f"sqlite+aiosqlite:///{file}", max_open_requests_per_user=4)


@pytest_asyncio.fixture(loop_scope="session")
async def database(discord_settings: Settings) -> AsyncIterator[Database]:
    database = open_database(discord_settings.database_url)
    yield database
    await database.close()


@pytest_asyncio.fixture(loop_scope="session")
async def env(discord_settings: Settings, database: Database) -> AsyncIterator[simcord.Env]:
    queue = SqlQueue(database, lease_seconds=discord_settings.lease_seconds, max_attempts=discord_settings.max_attempts)
    services = open_services(database, queue, discord_settings, planner=FakePlanner())
    env = simcord.Env(DiscordBot(services, shard_count=1, redraw_pause_seconds=0.01), settle_timeout=30.0)
    await env.start()
    yield env
    await env.shutdown()
    env._raise_errors_since(env._errors_acknowledged)


@pytest_asyncio.fixture(loop_scope="session")
async def world(env: simcord.Env, discord_settings: Settings, database: Database) -> World:
    guild = env.create_guild("Snow club")
    bot = env.bot
    assert isinstance(bot, DiscordBot)
    return World(
        env=env,
        settings=discord_settings,
        database=database,
        queue=SqlQueue(
            database, lease_seconds=discord_settings.lease_seconds, max_attempts=discord_settings.max_attempts
        ),
        services=bot.services,
        guild=guild,
        channel=guild.create_text_channel("prompts"),
        alice=guild.add_member(env.create_user("alice")),
        bob=guild.add_member(env.create_user("bob")),
    )
