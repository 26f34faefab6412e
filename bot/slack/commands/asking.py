"""`/mjprompt`: one idea, with Midjourney's own parameters and our flags `--count` and `--private` in the text."""

from bot.slack import asking
from bot.slack.call import Call
from bot.slack.desk import Desk
from bot.slack.home import home_changed


async def mjprompt(desk: Desk, call: Call) -> None:
    """Take in an idea; what cannot be taken is said with the acknowledgement."""
    await asking.ask(desk, call, call.text)
    home_changed(desk, call)
