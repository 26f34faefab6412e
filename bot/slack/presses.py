"""The buttons of cards: votes first, then what goes on from an answer.

A vote is stored before Slack is told that the press arrived: the acknowledgement is its proof. The message is drawn
anew afterwards.
"""

import time
from collections.abc import Awaitable, Callable, Mapping

from bot.acknowledge import stored_then_acknowledged
from bot.actions import Action, read_mark
from bot.cards import Card, explain_button, request_card
from bot.slack import asking
from bot.slack.api_errors import translated_errors
from bot.slack.blocks import buttons, card_message, message, plain_section
from bot.slack.call import Call
from bot.slack.desk import Desk
from bot.slack.events import pressed_at
from bot.slack.forms.explain import open_explain
from bot.slack.forms.idea import open_remix
from bot.slack.gateway import card_edit
from bot.slack.home import home_changed
from core.records import Thumb

Press = Callable[[Desk, Call, str], Awaitable[None]]  # with the id of the button's target

ASKS_ANEW = frozenset({Action.VARY, Action.REROLL, Action.SHARE})  # twice in a row is a double click


async def card_pressed(desk: Desk, call: Call) -> None:
    """Do what a button of a card says.

    Raises:
        NotFound: the button is of another version, or what it is about is not there for this person.
    """
    action, target_id = read_mark(str((call.action or {}).get("action_id", "")))
    if action in ASKS_ANEW and desk.presses.is_double(
        call.identity.external_id, action, target_id, at_seconds=time.monotonic()
    ):
        return
    await PRESSES[action](desk, call, target_id)


def _thumb(thumb: Thumb) -> Press:
    async def press(desk: Desk, call: Call, candidate_id: str) -> None:
        vote = desk.services.chat.store_press(
            call.identity,
            candidate_id,
            thumb,
            event_id=call.event_id,
            occurred_at=pressed_at(call.action or {}),
        )
        pressed = await stored_then_acknowledged(vote, call.acknowledge)
        await redraw(desk, call, pressed.request_id)
        if thumb is Thumb.DOWN and pressed.standing is Thumb.DOWN:
            await _offer_form(desk, call, candidate_id)

    return press


async def _save(desk: Desk, call: Call, candidate_id: str) -> None:
    saving = desk.services.collection.toggle_saved(call.identity, candidate_id, event_id=call.event_id)
    is_saved = await stored_then_acknowledged(saving, call.acknowledge)
    home_changed(desk, call)
    await desk.say(call, "cards.done.saved" if is_saved else "cards.done.unsaved")


async def _cancel(desk: Desk, call: Call, request_id: str) -> None:
    await stored_then_acknowledged(desk.services.chat.cancel(call.identity, request_id), call.acknowledge)
    home_changed(desk, call)
    await redraw(desk, call, request_id)


async def _delete(desk: Desk, call: Call, request_id: str) -> None:
    await stored_then_acknowledged(desk.services.chat.delete(call.identity, request_id), call.acknowledge)
    home_changed(desk, call)
    if call.channel_id is not None and call.message_ts is not None:
        channel_id, ts = call.channel_id, call.message_ts
        key = (call.workspace.team_id, channel_id, ts)  # takes the place of a redraw that may be waiting
        desk.redraws.soon(key, lambda: _take_away(desk, call, channel_id=channel_id, ts=ts))
    await desk.say(call, "cards.done.deleted")


async def redraw(desk: Desk, call: Call, request_id: str) -> None:
    """Have the pressed message show the request as it is now; a private copy of a card is replaced at once."""
    if call.channel_id is None:
        return
    if call.message_ts is None:
        await desk.replies.show(call, card_message(await _card(desk, call, request_id)), is_replacing=True)
        return
    channel_id, ts = call.channel_id, call.message_ts
    key = (call.workspace.team_id, channel_id, ts)
    desk.redraws.soon(key, lambda: _draw(desk, call, request_id, channel_id=channel_id, ts=ts))


async def _draw(desk: Desk, call: Call, request_id: str, *, channel_id: str, ts: str) -> None:
    card = await _card(desk, call, request_id)
    client = await desk.clients.of(call.workspace)
    with translated_errors("chat.update"):
        await client.chat_update(channel=channel_id, ts=ts, **card_edit(card))


async def _card(desk: Desk, call: Call, request_id: str) -> Card:
    view = await desk.services.chat.view_shared(call.identity, request_id)
    speech = await desk.speech_for(call.identity)
    return request_card(view, desk.services.catalogs, speech.language)


async def _take_away(desk: Desk, call: Call, *, channel_id: str, ts: str) -> None:
    client = await desk.clients.of(call.workspace)
    with translated_errors("chat.delete"):
        await client.chat_delete(channel=channel_id, ts=ts)


async def _offer_form(desk: Desk, call: Call, candidate_id: str) -> None:
    speech = await desk.speech_for(call.identity)
    text = speech("cards.voted.down")
    row = buttons([explain_button(candidate_id, desk.services.catalogs, speech.language)])
    await desk.replies.show(call, message([text], [plain_section(text), row]))


PRESSES: Mapping[Action, Press] = {
    Action.UP: _thumb(Thumb.UP),
    Action.DOWN: _thumb(Thumb.DOWN),
    Action.EXPLAIN: open_explain,
    Action.VARY: asking.vary,
    Action.SAVE: _save,
    Action.SHARE: asking.share,
    Action.REMIX: open_remix,
    Action.REROLL: asking.reroll,
    Action.DELETE: _delete,
    Action.CANCEL: _cancel,
}
