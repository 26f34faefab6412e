"""Telling Discord the commands, and only when they changed: Discord counts how often it is told.

What was told last is remembered as a hash in the database, together with the application that it was told for.
"""

import hashlib
import json

import discord
from discord import app_commands

from bot.administration import AdministrationService
from core.logs import get_logger
from core.records import Platform

_LOG = get_logger(__name__)


async def sync_if_changed(tree: app_commands.CommandTree, administration: AdministrationService) -> bool:
    """Tell Discord the commands unless it knows them; return whether it was told.

    Raises:
        discord.HTTPException: Discord took them not; what was remembered stays.
    """
    hash_ = await commands_hash(tree)
    if await administration.synced_commands(Platform.DISCORD) == hash_:
        return False
    commands = await tree.sync()
    await administration.remember_synced_commands(Platform.DISCORD, hash_)
    _LOG.info("discord.commands_synced", count=len(commands))
    return True


async def commands_hash(tree: app_commands.CommandTree) -> str:
    """Return the SHA-256 of what Discord would be told, translations included, and of the application's id."""
    told = [
        await command.get_translated_payload(tree, tree.translator) if tree.translator else command.to_dict(tree)
        for command in sorted(tree.get_commands(type=discord.AppCommandType.chat_input), key=lambda c: c.name)
    ]
    text = json.dumps([tree.client.application_id, told], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
