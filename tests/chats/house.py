"""Discord and Slack of our own around one database file, and the bot's process that a test starts and kills.

People are those of the parity suite. The worker has no model and stands in the test, unless the process brings its own.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chats.bot_process import BotProcess, bot_process
from tests.fakes.discord.server import TOKEN, FakeDiscord
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.workspaces import Team
from tests.parity.discord import DiscordPerson, DiscordStage
from tests.parity.slack import SlackPerson, SlackStage
from tests.parity.stage import Core, running_core

BOTH_CONNECTED = ("Discord   connected", "Slack     connected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the fakes take from the bot."""

    discord_token: str = TOKEN
    slack_bot_token: str = "xoxb-1-fake"
    slack_app_token: str = "xapp-1-A0000001-1-fake"
    slack_signing_secret: str = "fake-signing-secret"
    slack_client_secret: str = "fake-client-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything around the process."""

    folder: Path
    core: Core
    discord: FakeDiscord
    slack: FakeSlack
    team: Team
    on_discord: DiscordStage
    on_slack: SlackStage
    environment: Mapping[str, str] = field(repr=False)

    @asynccontextmanager
    async def bot(self, command: str = "bot", **environment: str) -> AsyncIterator[BotProcess]:
        """Run the bot, connected to both platforms, until left."""
        async with bot_process(command, self.folder, {**self.environment, **environment}) as bot:
            await bot.prints(*BOTH_CONNECTED)
            yield bot

    def discord_person(self) -> DiscordPerson:
        person = self.on_discord.newcomer()
        assert isinstance(person, DiscordPerson)
        return person

    def slack_person(self) -> SlackPerson:
        person = self.on_slack.newcomer()
        assert isinstance(person, SlackPerson)
        return person

    def people(self) -> tuple[DiscordPerson, SlackPerson]:
        """Return somebody on each platform."""
        return self.discord_person(), self.slack_person()

    def outbox(self, request_id: str) -> tuple[str, int]:
        """Return the state of a request's message and how often it was tried."""
        [(state, attempts)] = self.core.truth.rows(
            "SELECT state, attempts FROM outbox WHERE request_id = ? AND kind = 'answer'", request_id
        )
        return state, attempts


@asynccontextmanager
async def open_house(
    empty: Path,
    folder: Path,
    *,
    has_worker: bool = True,
    is_installed: bool = True,
    credentials: Credentials | None = None,
) -> AsyncIterator[House]:
    """Open both platforms and the database until left; a broken rule of a platform fails the test then."""
    given = credentials or Credentials()
    fake_slack = FakeSlack(
        app_token=given.slack_app_token,
        signing_secret=given.slack_signing_secret,
        client_secret=given.slack_client_secret,
    )
    async with FakeDiscord(token=given.discord_token) as discord, fake_slack as slack:
        team = slack.add_team("Snow club", is_installed=is_installed, bot_token=given.slack_bot_token)
        discord_operator, slack_operator = discord.add_user("operator"), team.add_user("operator")
        operators = f"discord:{discord_operator.id},slack:{team.id}:{slack_operator.id}"
        async with running_core(empty, folder, has_worker=has_worker, operator_ids=operators) as core:
            on_discord = DiscordStage(core, discord, discord_operator)
            on_slack = SlackStage(core, slack, team, slack_operator)
            await on_discord.open_scene()
            await on_slack.open_scene()
            yield House(
                folder=folder,
                core=core,
                discord=discord,
                slack=slack,
                team=team,
                on_discord=on_discord,
                on_slack=on_slack,
                environment={
                    "DATABASE_URL": core.settings.database_url,
                    "WEB_PORT": "0",
                    "OPERATOR_IDS": operators,
                    "DISCORD_TOKEN": given.discord_token,
                    "DISCORD_API_BASE": discord.api_base,
                    "DISCORD_GATEWAY_URL": discord.gateway_url,
                    "SLACK_BOT_TOKEN": given.slack_bot_token,
                    "SLACK_APP_TOKEN": given.slack_app_token,
                    "SLACK_API_BASE": slack.api_base,
                },
            )
