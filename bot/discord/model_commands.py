"""`/model` and `/retrain`: what serves, and what operators decide about it.

A server's admins see `/retrain` in Discord's menu by default, but only the product's operators may use it; that is
checked here and again when they confirm.
"""

import discord
from discord import app_commands
from discord.app_commands import Choice

from bot.discord.command_words import CommandWords
from bot.discord.conversation import Conversation, acknowledged_as_waiting
from bot.discord.identity import identity_of
from bot.discord.panels import Panels
from core.errors import MjpromptError, NotFound
from core.records import AuditAction

_MAX_CHOICES = 25


class ModelWork:
    """What the commands do, once they are acknowledged."""

    def __init__(self, conversation: Conversation, panels: Panels) -> None:
        self._conversation = conversation
        self._administration = conversation.services.administration
        self._panels = panels

    async def show(self, interaction: discord.Interaction) -> None:
        """Show what serves now."""
        await acknowledged_as_waiting(interaction, is_private=True)
        await self._conversation.show(interaction, await self._panels.model_view(interaction))

    async def promote(self, interaction: discord.Interaction, adapter: str) -> None:
        """Ask an operator whether another adapter shall answer.

        Raises:
            NotAllowed: the person is no operator.
            NotFound: there is no such adapter.
        """
        await self._require_operator(interaction, AuditAction.PROMOTE, adapter=adapter)
        if adapter not in await self._administration.adapter_names():
            raise NotFound(self._conversation.text(interaction, "model.no_adapters"))
        await self._conversation.show(interaction, self._panels.promote_view(interaction, adapter))

    async def rollback(self, interaction: discord.Interaction) -> None:
        """Ask an operator whether the earlier adapter shall answer.

        Raises:
            NotAllowed: the person is no operator.
        """
        await self._require_operator(interaction, AuditAction.ROLLBACK)
        await self._conversation.show(interaction, self._panels.rollback_view(interaction))

    async def plan(self, interaction: discord.Interaction) -> None:
        """Show what the votes are enough for.

        Raises:
            NotAllowed: the person is no operator.
        """
        await acknowledged_as_waiting(interaction, is_private=True)
        await self._conversation.show(interaction, await self._panels.plan_view(interaction))

    async def start(self, interaction: discord.Interaction) -> None:
        """Ask an operator whether to train.

        Raises:
            NotAllowed: the person is no operator.
        """
        await self._require_operator(interaction, AuditAction.RETRAIN)
        await self._conversation.show(interaction, self._panels.retrain_view(interaction))

    async def status(self, interaction: discord.Interaction) -> None:
        """Show how the present training goes.

        Raises:
            NotAllowed: the person is no operator.
        """
        await acknowledged_as_waiting(interaction, is_private=True)
        await self._conversation.show(interaction, await self._panels.cycle_view(interaction))

    async def cancel(self, interaction: discord.Interaction) -> None:
        """Ask an operator whether the training shall end.

        Raises:
            NotAllowed: the person is no operator.
        """
        await self._require_operator(interaction, AuditAction.CANCEL_RETRAIN)
        await self._conversation.show(interaction, self._panels.cancel_view(interaction))

    async def offered_adapters(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        """Return the adapters that match what is typed; nobody but an operator sees any."""
        identity = identity_of(interaction)
        if not self._administration.is_operator(identity):
            return []
        try:
            names = await self._administration.adapter_names()
        except MjpromptError:
            return []  # the command itself says what is wrong
        return [Choice(name=name, value=name) for name in names if typed in name][:_MAX_CHOICES]

    async def _require_operator(self, interaction: discord.Interaction, action: AuditAction, **details: object) -> None:
        await acknowledged_as_waiting(interaction, is_private=True)
        await self._administration.require_operator(identity_of(interaction), action, details=details)


def model_group(conversation: Conversation, work: ModelWork, words: CommandWords) -> app_commands.Group:
    """Return `/model` with `show`, `promote` and `rollback`."""
    group = app_commands.Group(name=words.name("model"), description=words.description("model"))

    @group.command(name=words.name("model.show"), description=words.description("model.show"))
    async def show(interaction: discord.Interaction) -> None:
        await conversation.run(interaction, work.show(interaction))

    @group.command(name=words.name("model.promote"), description=words.description("model.promote"))
    @app_commands.describe(adapter=words.option("model", "adapter"))
    @app_commands.rename(adapter=words.option_name("model", "adapter"))
    @app_commands.autocomplete(adapter=work.offered_adapters)
    async def promote(interaction: discord.Interaction, adapter: str) -> None:
        await conversation.run(interaction, work.promote(interaction, adapter))

    @group.command(name=words.name("model.rollback"), description=words.description("model.rollback"))
    async def rollback(interaction: discord.Interaction) -> None:
        await conversation.run(interaction, work.rollback(interaction))

    return group


def retrain_group(conversation: Conversation, work: ModelWork, words: CommandWords) -> app_commands.Group:
    """Return `/retrain` with `plan`, `start`, `status` and `cancel`."""
    group = app_commands.Group(
        name=words.name("retrain"),
        description=words.description("retrain"),
        default_permissions=discord.Permissions(manage_guild=True),
    )

    @group.command(name=words.name("retrain.plan"), description=words.description("retrain.plan"))
    async def plan(interaction: discord.Interaction) -> None:
        await conversation.run(interaction, work.plan(interaction))

    @group.command(name=words.name("retrain.start"), description=words.description("retrain.start"))
    async def start(interaction: discord.Interaction) -> None:
        await conversation.run(interaction, work.start(interaction))

    @group.command(name=words.name("retrain.status"), description=words.description("retrain.status"))
    async def status(interaction: discord.Interaction) -> None:
        await conversation.run(interaction, work.status(interaction))

    @group.command(name=words.name("retrain.cancel"), description=words.description("retrain.cancel"))
    async def cancel(interaction: discord.Interaction) -> None:
        await conversation.run(interaction, work.cancel(interaction))

    return group
