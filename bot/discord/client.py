"""The Discord client: the commands, the doors of all buttons and forms, and nothing that needs message content.

It asks for one intent, guilds, calls nobody by default, and keeps no messages, members or views in memory. What a
command or button does is in the modules beside this one.
"""

import re
from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.actions import MARK_PATTERN
from bot.discord.ask_command import ask_command
from bot.discord.asking import Asking
from bot.discord.buttons import Handler, button_class
from bot.discord.command_sync import sync_if_changed
from bot.discord.command_words import CatalogTranslator, CommandWords
from bot.discord.controls import Controls
from bot.discord.conversation import Conversation
from bot.discord.list_commands import own_commands
from bot.discord.lists import Lists
from bot.discord.marks import CONTROL_PATTERN, PAGE_PATTERN, STALE_PATTERN, is_pressed_on_its_own
from bot.discord.model_commands import ModelWork, model_group, retrain_group
from bot.discord.new_sessions import NewSessions
from bot.discord.panels import Panels
from bot.discord.presses import Presses
from bot.discord.redraws import Redraws
from bot.discord.settings_command import settings_command
from bot.discord.submissions import Submissions
from bot.patience import patiently
from bot.redraws import PAUSE_SECONDS
from bot.services import Services
from core.errors import NotFound, StorageBusy
from core.logs import get_logger
from core.records import Platform

_LOG = get_logger(__name__)
_LONGEST_RATE_LIMIT_SECONDS = 30.0  # the least that discord.py takes; a longer one becomes an error


class _AnsweringTree(app_commands.CommandTree["DiscordBot"]):
    """Answers what goes wrong before a command's own code runs."""

    async def on_error(self, interaction: discord.Interaction, error: app_commands.AppCommandError, /) -> None:
        await self.client.conversation.answer_error(interaction, error)


class DiscordBot(commands.AutoShardedBot):
    """One connection to Discord over the product's services."""

    def __init__(
        self, services: Services, *, shard_count: int | None = None, redraw_pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=_AnsweringTree,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            max_ratelimit_timeout=_LONGEST_RATE_LIMIT_SECONDS,
            shard_count=shard_count,
        )
        self.services = services
        self.conversation = Conversation(services)
        self._redraws = Redraws(pause_seconds=redraw_pause_seconds)
        self._asking = Asking(self.conversation)
        self._lists = Lists(self.conversation)
        self._panels = Panels(self.conversation)
        self._submissions = Submissions(self.conversation, self._asking)
        self._doors = self._open_doors()
        self._new_sessions = NewSessions()

    async def setup_hook(self) -> None:
        """Register everything before the first event comes in, and tell Discord the commands if they changed."""
        await self.tree.set_translator(CatalogTranslator(self.services.catalogs))
        for command in self._commands():
            self.tree.add_command(command)
        self.add_dynamic_items(*(button_class(pattern, self._guarded(handler)) for pattern, handler in self._doors))
        try:
            await sync_if_changed(self.tree, self.services.administration)
        except (discord.HTTPException, app_commands.CommandSyncFailure, StorageBusy) as error:
            _LOG.error("discord.commands_not_synced", exc_info=error)  # the ones that Discord knows still work

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Hold a new session back for as long as Discord wants that, and no longer."""
        del shard_id  # all shards count together
        await self._new_sessions.await_turn(is_first=initial)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Take in forms, and presses that discord.py would drop because the message does not show such a button."""
        data: Any = interaction.data or {}
        custom_id = str(data.get("custom_id", ""))
        if interaction.type is discord.InteractionType.modal_submit:
            await self._guarded(self._submissions)(interaction, custom_id)
        elif interaction.type is discord.InteractionType.component and not is_pressed_on_its_own(interaction):
            await self._guarded(self._handler_of(custom_id))(interaction, custom_id)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Delete what belongs to a server that took the bot out."""
        await patiently(lambda: self.services.administration.uninstalled(Platform.DISCORD, str(guild.id)))
        _LOG.info("discord.uninstalled", guild=guild.id)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """Log what no handler answered."""
        _LOG.exception("discord.event_failed", event_name=event_method)

    async def close(self) -> None:
        """Draw what is still waiting to be drawn, then close the connection."""
        await self._redraws.close()
        await super().close()

    def _open_doors(self) -> Sequence[tuple[str, Handler]]:
        presses = Presses(self.conversation, self._asking, self._lists, self._redraws)
        controls = Controls(self.conversation, self._lists, self._panels)
        return (
            (MARK_PATTERN, presses),
            (PAGE_PATTERN, self._lists.turn),
            (CONTROL_PATTERN, controls),
            (STALE_PATTERN, _refuse_stale),
        )

    def _handler_of(self, custom_id: str) -> Handler:
        return next(handler for pattern, handler in self._doors if re.fullmatch(pattern, custom_id))

    def _guarded(self, handler: Handler) -> Handler:
        async def answering(interaction: discord.Interaction, custom_id: str) -> None:
            await self.conversation.run(interaction, handler(interaction, custom_id))

        return answering

    def _commands(self) -> Sequence[app_commands.Command[Any, ..., None] | app_commands.Group]:
        conversation, panels = self.conversation, self._panels
        words, model = CommandWords(self.services.catalogs), ModelWork(conversation, panels)
        return (
            ask_command(conversation, self._asking, words),
            *own_commands(conversation, self._lists, panels, words),
            model_group(conversation, model, words),
            retrain_group(conversation, model, words),
            settings_command(conversation, panels, words),
        )


async def _refuse_stale(_: discord.Interaction, __: str) -> None:
    raise NotFound("This button is from another version of the bot; ask again to get new ones.")
