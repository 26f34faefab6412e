"""`/mjprompt`: an idea with options by choices and autocomplete."""

import discord
from discord import app_commands
from discord.app_commands import Choice, Range

from bot.ask_options import ASPECT_RATIOS, MAX_CANDIDATES, MIN_CANDIDATES, STYLES, AskOptions
from bot.discord.asking import Asking
from bot.discord.command_words import Command, CommandWords
from bot.discord.conversation import Conversation
from core.idea import MAX_IDEA_CHARACTERS
from core.midjourney_versions import NIJI_VERSIONS, NUMBERED_VERSIONS

_NAME = "mjprompt"
_OPTIONS = ("idea", "ar", "style", "version", "count", "private")
_MAX_CHOICE_CHARACTERS = 100


def ask_command(conversation: Conversation, asking: Asking, words: CommandWords) -> Command:
    """Return the command that asks."""
    descriptions = {option: words.option(_NAME, option) for option in _OPTIONS}
    names = {option: words.option_name(_NAME, option) for option in _OPTIONS}

    @app_commands.command(name=words.name(_NAME), description=words.description(_NAME))
    @app_commands.describe(**descriptions)
    @app_commands.rename(**names)
    @app_commands.choices(
        style=[Choice(name=words.text(f"styles.{style}"), value=style) for style in STYLES],
        version=version_choices(),
    )
    @app_commands.autocomplete(ar=offered_ratios)
    async def mjprompt(
        interaction: discord.Interaction,
        *,
        idea: Range[str, 1, MAX_IDEA_CHARACTERS],
        ar: str | None = None,
        style: str | None = None,
        version: str | None = None,
        count: Range[int, MIN_CANDIDATES, MAX_CANDIDATES] | None = None,
        private: bool | None = None,
    ) -> None:
        options = AskOptions(aspect_ratio=ar, style=style, version=version, num_candidates=count, is_private=private)
        await conversation.run(interaction, asking.ask(interaction, idea, options))

    return mjprompt


def version_choices() -> list[Choice[str]]:
    """Return Midjourney's versions, the newest first."""
    return [Choice(name=version, value=version) for version in (*NUMBERED_VERSIONS[::-1], *NIJI_VERSIONS[::-1])]


async def offered_ratios(_: discord.Interaction, typed: str) -> list[Choice[str]]:
    """Return the usual aspect ratios that begin with what is typed, and what is typed itself."""
    typed = typed.strip()[:_MAX_CHOICE_CHARACTERS]
    usual = [ratio for ratio in ASPECT_RATIOS if ratio.startswith(typed)]
    own = [typed] if typed and typed not in usual else []
    return [Choice(name=ratio, value=ratio) for ratio in (*usual, *own)]
