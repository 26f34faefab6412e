"""Discord as delivery needs it: opens, edits and falls back, with what is kept of an address in the outbox.

A request to Discord never takes longer than a few seconds here: discord.py waits out short rate limits by itself, and
a long one becomes PlatformBusy. It knows nothing of rows.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import discord
from discord import ui
from discord.http import handle_message_parameters
from discord.webhook.async_ import async_context

from bot.cards import Card
from bot.catalog import Catalogs
from bot.discord.destinations import DiscordDestination, Route
from bot.discord.errors import translated
from bot.discord.views import card_view
from bot.gateway import Addressed
from core.errors import AddressGone, PlatformBusy
from core.logs import get_logger
from core.records import Destination, Platform
from core.release_channels import ReleaseChannel

_LOG = get_logger(__name__)
_PATIENCE_SECONDS = 12.0
NOBODY = 0  # in place of the person whom a message goes to


class DiscordGateway:
    """The gateway of one Discord client."""

    def __init__(self, connected: Callable[[], discord.Client], catalogs: Catalogs) -> None:
        """Take the client from `connected`, which raises PlatformBusy while there is none."""
        self._connected = connected
        self._catalogs = catalogs

    @property
    def platform(self) -> Platform:
        return Platform.DISCORD

    def is_open(self, destination: Destination) -> bool:
        """Tell whether there is a message to edit; an interaction has one from its acknowledgement on."""
        return DiscordDestination.from_json(destination).is_open

    def fall_back(self, destination: Destination) -> Destination | None:
        """Return the next address down: channel, direct message, none; a private answer skips the channel."""
        lower = DiscordDestination.from_json(destination).fall_back()
        return None if lower is None else lower.as_json()

    def without_secrets(self, destination: Destination) -> Destination:
        """Return the address without the interaction's token."""
        return DiscordDestination.from_json(destination).without_secrets().as_json()

    def at_channel(self, channel: ReleaseChannel, *, language: str) -> Destination:
        """Return the destination of a message that is everybody's in a channel."""
        return DiscordDestination(
            route=Route.CHANNEL, language=language, user_id=NOBODY, channel_id=int(channel.channel_id)
        ).as_json()

    async def open(self, message: Addressed, placeholder: Card) -> Destination:
        """Post `placeholder` in the channel or as a direct message.

        Discord gives back the message that is already there when the same nonce comes again within some minutes.

        Raises:
            AddressGone: nothing can be posted there.
            PlatformBusy: Discord asks to wait, or cannot be reached.
        """
        address = DiscordDestination.from_json(message.destination)
        view = card_view(placeholder, self._catalogs, address.language)
        async with _in_time():
            channel = await self._channel(address)
            posted = await channel.send(view=view, nonce=message.id[1:])
        if address.replaces is not None:
            await self._remove(channel.get_partial_message(address.replaces))
        return address.opened(channel_id=posted.channel.id, message_id=posted.id).as_json()

    async def show(self, destination: Destination, card: Card) -> None:
        """Edit the message at `destination`.

        Raises:
            AddressGone: its token has expired, it was deleted, or the bot lost access.
            PlatformBusy: Discord asks to wait, or cannot be reached.
        """
        address = DiscordDestination.from_json(destination)
        if address.is_expired(discord.utils.utcnow()):
            raise AddressGone("The interaction's token has expired; another address may do.")
        view = card_view(card, self._catalogs, address.language)
        async with _in_time():
            if address.route is Route.INTERACTION:
                await _edit_original(self._webhook(address), view)
            else:
                # discord.py adds the client's own default only to an edit that has a content
                await self._posted(address).edit(view=view, allowed_mentions=discord.AllowedMentions.none())

    async def _channel(self, address: DiscordDestination) -> discord.PartialMessageable:
        if address.route is Route.DIRECT:
            channel_id = (await self._connected().create_dm(discord.Object(address.user_id))).id
        elif address.channel_id is not None:
            channel_id = address.channel_id
        else:
            raise AddressGone("There is no channel that the bot can post in.")
        return self._connected().get_partial_messageable(channel_id)

    def _posted(self, address: DiscordDestination) -> discord.PartialMessage:
        if address.channel_id is None or address.message_id is None:
            raise AddressGone("There is no message there to edit.")
        return self._connected().get_partial_messageable(address.channel_id).get_partial_message(address.message_id)

    def _webhook(self, address: DiscordDestination) -> discord.Webhook:
        if address.application_id is None or address.token is None:
            raise AddressGone("The interaction's token is not kept any more.")
        return discord.Webhook.partial(address.application_id, address.token, client=self._connected())

    async def _remove(self, message: discord.PartialMessage) -> None:
        """Take away the message that a new one stands for; one that stays is only untidy."""
        try:
            async with _in_time():
                await message.delete()
        except (AddressGone, PlatformBusy) as error:
            _LOG.info("discord.old_message_stays", reason=type(error).__name__)


async def _edit_original(webhook: discord.Webhook, view: ui.LayoutView) -> None:
    """Edit an interaction's own message as discord.py's Interaction does, of which only the token is left here.

    `Webhook.edit_message` takes no `@original`: it would quote the sign.
    """
    with handle_message_parameters(view=view, allowed_mentions=discord.AllowedMentions.none()) as parameters:
        await async_context.get().edit_original_interaction_response(
            webhook.id,
            str(webhook.token),
            session=webhook.session,
            proxy=webhook.proxy,
            proxy_auth=webhook.proxy_auth,
            payload=parameters.payload,
            multipart=parameters.multipart,
            files=parameters.files,
        )


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    with translated():
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield
