"""A small discord.py bot that does what the fake's own tests need: every kind of answer, and every kind of mistake."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import discord
import yarl
from discord import app_commands, ui
from discord.ext import commands

from tests.fakes.discord.server import FakeDiscord

Do = Callable[[discord.Interaction[Any]], Awaitable[None]]
FRUITS = ["apple", "apricot", "banana"]


class VoteButton(ui.DynamicItem[ui.Button[ui.LayoutView]], template=r"vote:(?P<number>\d+)"):
    """Counts its presses in its own label."""

    def __init__(self, number: int) -> None:
        super().__init__(ui.Button(label=f"👍 {number}", custom_id=f"vote:{number}"))
        self.number = number

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str]
    ) -> Self:
        return cls(int(match["number"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        interaction.client.presses.append(interaction.id)
        await interaction.response.edit_message(view=card("voted", self.number + 1))


class FormButton(ui.DynamicItem[ui.Button[ui.LayoutView]], template=r"form"):
    """Opens a form."""

    def __init__(self) -> None:
        super().__init__(ui.Button(label="Remix", custom_id="form"))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str]
    ) -> Self:
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_modal(Form())


class Form(ui.Modal, title="Remix"):
    """Asks for an idea and a reason."""

    idea: ui.Label[Any] = ui.Label(text="Idea", component=ui.TextInput(max_length=20, default="a cat"))
    reason: ui.Label[Any] = ui.Label(
        text="Reason",
        component=ui.RadioGroup(
            options=[discord.RadioGroupOption(label=word, value=word) for word in ("dull", "wrong")], required=False
        ),
    )

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        assert isinstance(self.idea.component, ui.TextInput)
        assert isinstance(self.reason.component, ui.RadioGroup)
        answer = f"{self.idea.component.value}, {self.reason.component.value}"
        await interaction.response.send_message(answer, ephemeral=True)


def card(text: str, votes: int = 0) -> ui.LayoutView:
    """Return a message of Components V2 with a text and two buttons."""
    view = ui.LayoutView(timeout=None)
    row: ui.ActionRow[Any] = ui.ActionRow(VoteButton(votes), FormButton())
    view.add_item(ui.Container(ui.TextDisplay(text), row, accent_colour=0x5865F2))
    return view


class PlainBot(commands.AutoShardedBot):
    """Its commands: /ask, /fruit, /admin only; /do runs whatever the test put into `do`."""

    def __init__(self) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
        )
        self.presses: list[int] = []
        self.errors: list[Exception] = []
        self.do: Do = answer_at_once

    async def setup_hook(self) -> None:
        self.add_dynamic_items(VoteButton, FormButton)
        for command in (ask, do, fruit, admin):
            self.tree.add_command(command)
        self.tree.on_error = self._keep_error  # type: ignore[method-assign]
        await self.tree.sync()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Identify again at once; discord.py would wait five seconds."""

    async def _keep_error(self, interaction: discord.Interaction[Any], error: Exception) -> None:
        self.errors.append(getattr(error, "original", error))


@app_commands.command(description="Ask for a card")
@app_commands.choices(ar=[app_commands.Choice(name="wide", value="16:9")])
async def ask(
    interaction: discord.Interaction[Any],
    idea: app_commands.Range[str, 1, 30],
    ar: str | None = None,
    count: app_commands.Range[int, 1, 4] = 4,
) -> None:
    await interaction.response.defer(thinking=True)
    await interaction.edit_original_response(view=card(f"{idea} {ar} {count}"))


@app_commands.command(name="do", description="Do what the test says")
async def do(interaction: discord.Interaction[Any]) -> None:
    await interaction.client.do(interaction)


@app_commands.command(description="Choose a fruit")
async def fruit(interaction: discord.Interaction[Any], name: str) -> None:
    await interaction.response.send_message(name)


@fruit.autocomplete("name")
async def offer_fruits(interaction: discord.Interaction[Any], text: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=each.title(), value=each) for each in FRUITS if each.startswith(text)]


admin = app_commands.Group(
    name="admin",
    description="For admins",
    default_permissions=discord.Permissions(manage_guild=True),
    allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
)


@admin.command(name="show", description="Show something")
async def show(interaction: discord.Interaction[Any]) -> None:
    await interaction.response.send_message("shown", ephemeral=True)


async def answer_at_once(interaction: discord.Interaction[Any]) -> None:
    await interaction.response.send_message("hello")


@asynccontextmanager
async def running_bot(fake: FakeDiscord) -> AsyncIterator[PlainBot]:
    """Run the bot against `fake` until the context ends."""
    base, gateway = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    discord.http.Route.BASE = fake.api_base
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(fake.gateway_url)
    bot = PlainBot()
    task = asyncio.create_task(bot.start(fake.token))
    try:
        await fake.wait_until_connected()
        yield bot
    finally:
        await bot.close()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = base, gateway
