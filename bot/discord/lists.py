"""The private lists of a person: history, favourites, open requests; drawn for Discord, a page at a time.

A page is found by what it begins after, which its buttons carry: they work after any restart. It sends nothing but
the page itself.
"""

from collections.abc import Sequence
from dataclasses import replace

import discord
from discord import ui

from bot.actions import Action, mark
from bot.cards import ButtonLook, request_card
from bot.discord.conversation import Conversation, acknowledged_as_waiting, acknowledged_in_place
from bot.discord.identity import identity_of
from bot.discord.marks import FIRST_PAGE, ControlName, Page, control_mark, page_mark
from bot.discord.panel_views import panel_blocks
from bot.discord.views import Block, Control, blocks_view, card_view
from bot.panels import Panel, PanelLine, favorites_panel, history_panel, queue_panel
from core.errors import NotFound

PAGE_SIZE = 5
MAX_OPEN_SHOWN = 8  # with one button each they fit into a message; more can be cancelled by /cancel


class Lists:
    """The lists over the services."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._services = conversation.services

    async def open(self, interaction: discord.Interaction, page: Page) -> None:
        """Answer a command with the newest page."""
        await acknowledged_as_waiting(interaction, is_private=True)
        await self._conversation.show(interaction, await self._page_view(interaction, page, None))

    async def turn(self, interaction: discord.Interaction, custom_id: str) -> None:
        """Show another page in place of the one that was pressed on.

        Raises:
            NotFound: there is no such list in this version.
        """
        _, name, before = custom_id.split(":")
        if name not in {page.value for page in Page}:
            raise NotFound("This list is from another version of the bot; open it again by its command.")
        await acknowledged_in_place(interaction)
        older_than = None if before == FIRST_PAGE else before
        await interaction.edit_original_response(view=await self._page_view(interaction, Page(name), older_than))

    async def open_queue(self, interaction: discord.Interaction) -> None:
        """Answer a command with the person's open requests and the line."""
        await acknowledged_as_waiting(interaction, is_private=True)
        await self._conversation.show(interaction, await self.queue_view(interaction))

    async def queue_view(self, interaction: discord.Interaction) -> ui.LayoutView:
        """Return the person's open requests and the line, as they are now."""
        language = self._conversation.language(interaction)
        queue = await self._services.chat.queue(identity_of(interaction))
        queue = replace(queue, own=queue.own[:MAX_OPEN_SHOWN])
        panel = queue_panel(queue, self._services.catalogs, language)
        cancel = self._services.catalogs.text(language, "cards.buttons.cancel")

        def controls(line: PanelLine) -> tuple[Control, ...]:
            return () if line.target_id is None else (_control(mark(Action.CANCEL, line.target_id), cancel),)

        again = Control(custom_id=control_mark(ControlName.QUEUE), label="↻")
        return blocks_view([*panel_blocks(panel, controls), Block(text="", controls=(again,))])

    async def show_request(self, interaction: discord.Interaction, request_id: str) -> None:
        """Show one request's whole card to the person alone.

        Raises:
            NotFound: there is no such request for this person.
        """
        await acknowledged_as_waiting(interaction, is_private=True)
        language, catalogs = self._conversation.language(interaction), self._services.catalogs
        view = await self._services.chat.view_shared(identity_of(interaction), request_id)
        card = request_card(view, catalogs, language)
        await self._conversation.show(interaction, card_view(card, catalogs, language))

    async def _page_view(self, interaction: discord.Interaction, page: Page, before: str | None) -> ui.LayoutView:
        language = self._conversation.language(interaction)
        panel = await self._panel(interaction, page, before, language)
        shown, has_more = panel.lines[:PAGE_SIZE], len(panel.lines) > PAGE_SIZE
        panel = Panel(title=panel.title, lines=shown, note=panel.note)
        turns = self._turns(page, shown, before=before, has_more=has_more, language=language)

        def controls(line: PanelLine) -> tuple[Control, ...]:
            return self._line_controls(page, line, language)

        return blocks_view([*panel_blocks(panel, controls), Block(text="", controls=turns)])

    async def _panel(self, interaction: discord.Interaction, page: Page, before: str | None, language: str) -> Panel:
        """Return one line more than a page has, which tells whether there is another page."""
        identity, catalogs, limit = identity_of(interaction), self._services.catalogs, PAGE_SIZE + 1
        if page is Page.HISTORY:
            views = await self._services.chat.history(identity, before=before, limit=limit)
            return history_panel(views, catalogs, language)
        favorites = await self._services.collection.favorites(identity, before=before, limit=limit)
        return favorites_panel(favorites, catalogs, language)

    def _line_controls(self, page: Page, line: PanelLine, language: str) -> tuple[Control, ...]:
        catalogs, target_id = self._services.catalogs, line.target_id
        if target_id is None:
            return ()
        if page is Page.HISTORY:
            show = control_mark(ControlName.SHOW, target_id)
            return (_control(show, catalogs.text(language, "lists.show")),)
        return (
            _control(mark(Action.VARY, target_id), catalogs.text(language, "cards.buttons.vary")),
            _control(mark(Action.SHARE, target_id), catalogs.text(language, "cards.buttons.share")),
            _control(mark(Action.SAVE, target_id), catalogs.text(language, "lists.remove"), ButtonLook.BAD),
        )

    def _turns(
        self, page: Page, shown: Sequence[PanelLine], *, before: str | None, has_more: bool, language: str
    ) -> tuple[Control, ...]:
        last = shown[-1].target_id if shown and has_more else None
        return (
            Control(
                custom_id=page_mark(page),
                label=self._services.catalogs.text(language, "lists.newer"),
                is_enabled=before is not None,
            ),
            Control(
                custom_id=page_mark(page, last) if last else control_mark(ControlName.CLOSE),
                label=self._services.catalogs.text(language, "lists.older"),
                is_enabled=last is not None,
            ),
        )


def _control(custom_id: str, label: str, look: ButtonLook = ButtonLook.PLAIN) -> Control:
    return Control(custom_id=custom_id, label=label, look=look)
