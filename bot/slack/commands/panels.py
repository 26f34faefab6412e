"""The commands that show a person something of their own: history, favourites, the line, their data, the settings."""

from bot.slack import panel_presses
from bot.slack.call import Call
from bot.slack.desk import Desk
from bot.slack.forms.settings import open_settings
from bot.slack.pages import queue_page


async def history(desk: Desk, call: Call) -> None:
    await panel_presses.show_history(desk, call, None)


async def favorites(desk: Desk, call: Call) -> None:
    await panel_presses.show_favorites(desk, call, None)


async def queue(desk: Desk, call: Call) -> None:
    await call.acknowledge()
    shown = queue_page(await desk.services.chat.queue(call.identity), await desk.speech_for(call.identity))
    await panel_presses.show_page(desk, call, shown)


async def cancel(desk: Desk, call: Call) -> None:
    await panel_presses.cancel_all(desk, call)


async def privacy(desk: Desk, call: Call) -> None:
    await panel_presses.show_privacy(desk, call)


async def settings(desk: Desk, call: Call) -> None:
    await open_settings(desk, call)
