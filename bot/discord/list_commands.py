"""`/history`, `/favorites`, `/queue`, `/cancel` and `/privacy`: what is a person's own, shown to them alone."""

from collections.abc import Awaitable, Callable

import discord
from discord import app_commands

from bot.discord.command_words import Command, CommandWords
from bot.discord.conversation import Conversation, acknowledged_as_waiting
from bot.discord.identity import identity_of
from bot.discord.lists import Lists
from bot.discord.marks import Page
from bot.discord.panels import Panels

Work = Callable[[discord.Interaction], Awaitable[None]]


def own_commands(conversation: Conversation, lists: Lists, panels: Panels, words: CommandWords) -> list[Command]:
    """Return the commands without options."""

    async def history(interaction: discord.Interaction) -> None:
        await lists.open(interaction, Page.HISTORY)

    async def favorites(interaction: discord.Interaction) -> None:
        await lists.open(interaction, Page.FAVORITES)

    async def cancel(interaction: discord.Interaction) -> None:
        await acknowledged_as_waiting(interaction, is_private=True)
        num_cancelled = await conversation.services.chat.cancel_open(identity_of(interaction))
        key = "cancel.done" if num_cancelled else "cancel.nothing"
        await conversation.say(interaction, conversation.text(interaction, key, count=num_cancelled))

    async def privacy(interaction: discord.Interaction) -> None:
        await acknowledged_as_waiting(interaction, is_private=True)
        await conversation.show(interaction, await panels.privacy_view(interaction))

    works = {
        "history": history,
        "favorites": favorites,
        "queue": lists.open_queue,
        "cancel": cancel,
        "privacy": privacy,
    }
    return [_command(name, work, conversation, words) for name, work in works.items()]


def _command(name: str, work: Work, conversation: Conversation, words: CommandWords) -> Command:
    @app_commands.command(name=words.name(name), description=words.description(name))
    async def command(interaction: discord.Interaction) -> None:
        await conversation.run(interaction, work(interaction))

    return command
