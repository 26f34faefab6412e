"""Who is behind an interaction, where it comes from, and where its answer goes.

Pure functions from discord.py's Interaction to the product's own records.
"""

from datetime import timedelta

import discord

from bot.discord.destinations import DiscordDestination, Route
from core.records import Identity, Platform

TOKEN_LIFE = timedelta(minutes=14)  # Discord gives 15; the last one is not worth the risk


def identity_of(interaction: discord.Interaction) -> Identity:
    """Return the person with the server and channel that they are in; in direct messages there is no server."""
    return Identity(
        platform=Platform.DISCORD,
        external_id=str(interaction.user.id),
        display_name=interaction.user.display_name,
        workspace_external_id=None if interaction.guild_id is None else str(interaction.guild_id),
        conversation_external_id=None if interaction.channel_id is None else str(interaction.channel_id),
        locale=interaction.locale.value,
    )


def event_id_of(interaction: discord.Interaction) -> str:
    """Return what tells a replayed event from a new one."""
    return f"discord:{interaction.id}"


def is_ephemeral(interaction: discord.Interaction) -> bool:
    """Tell whether the message that was pressed on is seen by the person alone."""
    return interaction.message is not None and interaction.message.flags.ephemeral


def is_workspace_admin(interaction: discord.Interaction) -> bool:
    """Tell whether the person may manage the server that the bot itself is a member of; nobody may elsewhere."""
    guild_id = interaction.guild_id
    if guild_id is None or not interaction.permissions.manage_guild:
        return False
    return interaction.is_guild_integration() or interaction.client.get_guild(guild_id) is not None


def destination_of(
    interaction: discord.Interaction, *, message_id: int | None, is_private: bool, language: str
) -> DiscordDestination:
    """Return where the answer goes: into the message that the interaction's acknowledgement made."""
    can_post = interaction.context.guild or interaction.context.dm_channel
    return DiscordDestination(
        route=Route.INTERACTION,
        language=language,
        user_id=interaction.user.id,
        channel_id=interaction.channel_id if can_post else None,
        message_id=message_id,
        is_private=is_private,
        application_id=interaction.application_id,
        token=interaction.token,
        token_expires_at=interaction.created_at + TOKEN_LIFE,
    )


def followed_at(interaction: discord.Interaction, *, language: str) -> DiscordDestination:
    """Return where a message of the bot's own follows what was begun: in the channel, or directly where it cannot post.

    The interaction's own message would be out of reach after some minutes.
    """
    can_post = interaction.context.guild or interaction.context.dm_channel
    return DiscordDestination(
        route=Route.CHANNEL if can_post and interaction.channel_id is not None else Route.DIRECT,
        language=language,
        user_id=interaction.user.id,
        channel_id=interaction.channel_id if can_post else None,
    )
