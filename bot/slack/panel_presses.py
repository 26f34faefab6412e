"""The buttons of private lists, panels and the Home tab.

In a channel the private message that was pressed on is replaced; on the Home tab the tab is drawn anew.
"""

from collections.abc import Awaitable, Callable, Mapping

from bot.acknowledge import stored_then_acknowledged
from bot.cards import request_card
from bot.slack.blocks import card_blocks, card_message
from bot.slack.call import Call
from bot.slack.desk import Desk
from bot.slack.export import send_export
from bot.slack.forms.frames import page
from bot.slack.forms.questions import open_decision, open_forget
from bot.slack.forms.settings import open_settings
from bot.slack.home import MORE_THAN_A_PAGE, draw_home, home_changed
from bot.slack.pages import Page, favorites_page, history_page, privacy_page
from bot.slack.verbs import Verb, read_verb
from bot.slack.views import open_form
from core.errors import NotFound
from core.records import AuditAction

Press = Callable[[Desk, Call, str | None], Awaitable[None]]  # with the id that the button carries


async def panel_pressed(desk: Desk, call: Call) -> None:
    """Do what a button of a list or panel says.

    Raises:
        NotFound: the button is of another version.
    """
    verb, value = read_verb(call.action or {})
    await PRESSES[verb](desk, call, value)


async def show_history(desk: Desk, call: Call, before: str | None) -> None:
    """Show a page of the person's requests."""
    await call.acknowledge()
    if call.is_on_home:
        await draw_home(desk, call.workspace, call.user_id, history_before=before)
        return
    views = await desk.services.chat.history(call.identity, before=before, limit=MORE_THAN_A_PAGE)
    await show_page(desk, call, history_page(views, await desk.speech_for(call.identity), is_first=before is None))


async def show_favorites(desk: Desk, call: Call, before: str | None) -> None:
    """Show a page of the person's favourites."""
    await call.acknowledge()
    if call.is_on_home:
        await draw_home(desk, call.workspace, call.user_id, favorites_before=before)
        return
    saved = await desk.services.collection.favorites(call.identity, before=before, limit=MORE_THAN_A_PAGE)
    await show_page(desk, call, favorites_page(saved, await desk.speech_for(call.identity), is_first=before is None))


async def show_privacy(desk: Desk, call: Call) -> None:
    """Show what is kept about the person."""
    await call.acknowledge()
    if call.is_on_home:
        await draw_home(desk, call.workspace, call.user_id)
        return
    overview = await desk.services.privacy.overview(call.identity)
    await show_page(desk, call, privacy_page(overview, await desk.speech_for(call.identity)))
    home_changed(desk, call)


async def cancel_all(desk: Desk, call: Call, _: str | None = None) -> None:
    """Take back all of the person's open requests."""
    count = await stored_then_acknowledged(desk.services.chat.cancel_open(call.identity), call.acknowledge)
    home_changed(desk, call)
    await desk.say(call, "cancel.done" if count else "cancel.nothing", count=count)


async def show_page(desk: Desk, call: Call, shown: Page) -> None:
    """Show a page to the person alone, in place of the page they pressed on."""
    await desk.replies.show(call, shown.as_message(), is_replacing=call.action is not None)


async def _show_history(desk: Desk, call: Call, _: str | None) -> None:
    await show_history(desk, call, None)


async def _show_favorites(desk: Desk, call: Call, _: str | None) -> None:
    await show_favorites(desk, call, None)


async def _show_request(desk: Desk, call: Call, request_id: str | None) -> None:
    await call.acknowledge()
    view = await desk.services.chat.view_shared(call.identity, _needed(request_id))
    speech = await desk.speech_for(call.identity)
    card = request_card(view, desk.services.catalogs, speech.language)
    if call.is_on_home:
        blocks = [block for block in card_blocks(card) if block["type"] != "actions"]
        await open_form(desk, call, page(speech("lists.show"), blocks))
        return
    await desk.replies.show(call, card_message(card))


async def _unsave(desk: Desk, call: Call, candidate_id: str | None) -> None:
    removal = desk.services.collection.set_saved(call.identity, _needed(candidate_id), is_saved=False)
    await stored_then_acknowledged(removal, call.acknowledge)
    home_changed(desk, call)
    await show_favorites(desk, call, None)


def _consent(*, is_given: bool) -> Press:
    async def press(desk: Desk, call: Call, _: str | None) -> None:
        decision = desk.services.chat.set_consent(call.identity, is_given=is_given)
        await stored_then_acknowledged(decision, call.acknowledge)
        await show_privacy(desk, call)

    return press


def _question(action: AuditAction) -> Press:
    async def press(desk: Desk, call: Call, _: str | None) -> None:
        await open_decision(desk, call, action)

    return press


def _needed(value: str | None) -> str:
    if value is None:
        raise NotFound("This button does nothing here; use the command again to get new ones.")
    return value


PRESSES: Mapping[Verb, Press] = {
    Verb.HISTORY: _show_history,
    Verb.HISTORY_OLDER: show_history,
    Verb.FAVORITES: _show_favorites,
    Verb.FAVORITES_OLDER: show_favorites,
    Verb.SHOW: _show_request,
    Verb.UNSAVE: _unsave,
    Verb.CANCEL_ALL: cancel_all,
    Verb.ALLOW: _consent(is_given=True),
    Verb.FORBID: _consent(is_given=False),
    Verb.EXPORT: send_export,
    Verb.FORGET: open_forget,
    Verb.RETRAIN: _question(AuditAction.RETRAIN),
    Verb.CANCEL_RETRAIN: _question(AuditAction.CANCEL_RETRAIN),
    Verb.SETTINGS: open_settings,
}
