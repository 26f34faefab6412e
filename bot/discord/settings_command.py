"""`/settings`: what a server's admins decide, in servers that the bot is a member of."""

from collections.abc import Callable

import discord
from discord import app_commands
from discord.app_commands import Choice, Range

from bot.discord.ask_command import offered_ratios, version_choices
from bot.discord.command_words import Command, CommandWords
from bot.discord.conversation import Conversation, acknowledged_as_waiting
from bot.discord.identity import identity_of, is_workspace_admin
from bot.discord.panels import Panels
from bot.workspace_settings import MAX_QUOTA
from core.records import WorkspaceSettings

_NAME = "settings"
_OPTIONS = ("version", "ar", "private", "quota", "language")
UNSET = "-"  # the choice that goes back to the product's default


def settings_command(conversation: Conversation, panels: Panels, words: CommandWords) -> Command:
    """Return the command that shows the settings, or changes those of its options that are given."""
    catalogs = conversation.services.catalogs
    unset = Choice(name=words.text("settings.unset"), value=UNSET)
    languages = [
        Choice(name=catalogs.text(language, "language.name"), value=language) for language in catalogs.languages
    ]

    @app_commands.command(name=words.name(_NAME), description=words.description(_NAME))
    @app_commands.describe(**{option: words.option(_NAME, option) for option in _OPTIONS})
    @app_commands.rename(**{option: words.option_name(_NAME, option) for option in _OPTIONS})
    @app_commands.choices(version=[unset, *version_choices()], language=[unset, *languages[:24]])
    @app_commands.autocomplete(ar=_offered_ratios_or_none)
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    async def settings(
        interaction: discord.Interaction,
        *,
        version: str | None = None,
        ar: str | None = None,
        private: bool | None = None,
        quota: Range[int, 0, MAX_QUOTA] | None = None,
        language: str | None = None,
    ) -> None:
        def change(current: WorkspaceSettings) -> WorkspaceSettings:
            return WorkspaceSettings(
                midjourney_version=_changed(version, current.midjourney_version),
                aspect_ratio=_changed(ar, current.aspect_ratio),
                is_private=current.is_private if private is None else private,
                max_requests_per_day=current.max_requests_per_day if quota is None else quota or None,
                language=_changed(language, current.language),
            )

        await conversation.run(interaction, _show_or_change(interaction, conversation, panels, change))

    return settings


async def _show_or_change(
    interaction: discord.Interaction,
    conversation: Conversation,
    panels: Panels,
    change: Callable[[WorkspaceSettings], WorkspaceSettings],
) -> None:
    """Show the settings; where something is given, change it first, as an admin only."""
    administration, identity = conversation.services.administration, identity_of(interaction)
    await acknowledged_as_waiting(interaction, is_private=True)
    settings = await administration.settings_of(identity)
    is_changed = bool(vars(interaction.namespace))
    if is_changed:
        settings = await administration.change_settings(
            identity, change(settings), is_workspace_admin=is_workspace_admin(interaction)
        )
    await conversation.show(interaction, panels.settings_view(interaction, settings, is_changed=is_changed))


def _changed(given: str | None, current: str | None) -> str | None:
    if given is None:
        return current
    return None if given == UNSET else given


async def _offered_ratios_or_none(interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
    return [Choice(name=UNSET, value=UNSET), *await offered_ratios(interaction, typed)]
