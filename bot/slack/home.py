"""The Home tab: favourites, history, settings and privacy of one person, drawn anew after what they change.

Only people who looked at their tab since the bot started have it drawn again.
"""

from collections.abc import Sequence

from bot.slack.blocks import MAX_VIEW_BLOCKS, Block, divider
from bot.slack.call import Call
from bot.slack.clients import Workspace
from bot.slack.desk import Desk
from bot.slack.forms.frames import View
from bot.slack.identity import identity_of
from bot.slack.pages import PAGE_LENGTH, Page, favorites_page, history_page, privacy_page, settings_page
from bot.slack.views import publish_home
from core.records import Identity

MORE_THAN_A_PAGE = PAGE_LENGTH + 1


async def home_opened(desk: Desk, workspace: Workspace, user_id: str) -> None:
    """Draw a person's tab, and keep it up to date from now on."""
    desk.homes.add(workspace, user_id)
    await draw_home(desk, workspace, user_id)


def home_changed(desk: Desk, call: Call) -> None:
    """Have the person's tab drawn again soon, if they ever looked at it."""
    if desk.homes.has(call.workspace, call.user_id):
        key = ("home", call.workspace.team_id, call.user_id)
        desk.redraws.soon(key, lambda: draw_home(desk, call.workspace, call.user_id))


async def draw_home(
    desk: Desk,
    workspace: Workspace,
    user_id: str,
    *,
    history_before: str | None = None,
    favorites_before: str | None = None,
) -> None:
    """Publish a person's tab, with the given pages of its two lists."""
    identity = identity_of(workspace, user_id)
    pages = await _pages(desk, identity, history_before=history_before, favorites_before=favorites_before)
    await publish_home(desk, workspace, user_id, home_view(pages))


def home_view(pages: Sequence[Page]) -> View:
    """Return the tab of these pages, one below the other."""
    blocks: list[Block] = []
    for page in pages:
        blocks.extend([*page.blocks, divider()])
    return {"type": "home", "blocks": blocks[:-1][:MAX_VIEW_BLOCKS]}


async def _pages(
    desk: Desk, identity: Identity, *, history_before: str | None, favorites_before: str | None
) -> list[Page]:
    services, speech = desk.services, await desk.speech_for(identity)
    saved = await services.collection.favorites(identity, before=favorites_before, limit=MORE_THAN_A_PAGE)
    asked = await services.chat.history(identity, before=history_before, limit=MORE_THAN_A_PAGE)
    return [
        favorites_page(saved, speech, is_first=favorites_before is None),
        history_page(asked, speech, is_first=history_before is None),
        settings_page(await services.administration.settings_of(identity), speech),
        privacy_page(await services.privacy.overview(identity), speech),
    ]
