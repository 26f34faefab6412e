"""Both conversations, one after the other, with the product running beside the two fakes."""

import tempfile
from pathlib import Path

from rich.console import Console

from tests.demo.discord_story import DiscordStory
from tests.demo.page import Conversation
from tests.demo.product import running_product
from tests.demo.slack_story import SlackStory
from tests.demo.steps import Steps
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.workspaces import Team

PLACE = "Snow club"


async def play(console: Console, *, module: str = "app.cli") -> tuple[Conversation, Conversation]:
    """Play both conversations with the command line in `module`; return their drawings, Discord's first.

    Raises:
        DemoFailed: the product did not start, end or acknowledge as it should.
        AssertionError, NotPossible: something did not happen in time, or a platform's rule was broken.
    """
    with tempfile.TemporaryDirectory(prefix="mjprompt-demo-") as folder:
        async with FakeDiscord() as discord, FakeSlack() as slack:
            team = slack.add_team(PLACE)
            discord_story = DiscordStory(discord, Steps(console, "Discord"), PLACE)
            slack_story = SlackStory(slack, team, Steps(console, "Slack"))
            Steps(console, "Demo").tell("starting mjprompt run with the pocket model and a fresh database")
            async with running_product(Path(folder), _settings(discord, slack, team), module=module):
                await discord.wait_until_connected()
                await slack.wait_until_connected()
                return await discord_story.told(), await slack_story.told()


def _settings(discord: FakeDiscord, slack: FakeSlack, team: Team) -> dict[str, str]:
    return {
        "DISCORD_TOKEN": discord.token,
        "DISCORD_API_BASE": discord.api_base,
        "DISCORD_GATEWAY_URL": discord.gateway_url,
        "SLACK_BOT_TOKEN": str(team.bot_token),
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_BASE": slack.api_base,
        "MAX_BATCH_REQUESTS": "1",  # one after the other, so that there is a line to stand in
    }
