"""Opening forms and publishing Home tabs: the two calls of Slack that show a view."""

from bot.slack.api_errors import translated_errors
from bot.slack.call import Call
from bot.slack.clients import Workspace
from bot.slack.desk import Desk
from bot.slack.forms.frames import View


async def open_form(desk: Desk, call: Call, view: View) -> None:
    """Open a form for whoever pressed: Slack allows it for three seconds, and a repeated request opens none.

    Raises:
        AddressGone, PlatformBusy: as bot.slack.api_errors says.
    """
    if not desk.triggers.is_new(call.trigger_id):
        return
    client = await desk.clients.of(call.workspace)
    with translated_errors("views.open"):
        await client.views_open(trigger_id=call.trigger_id, view=dict(view))


async def publish_home(desk: Desk, workspace: Workspace, user_id: str, view: View) -> None:
    """Show a person's Home tab.

    Raises:
        AddressGone, PlatformBusy: as bot.slack.api_errors says.
    """
    client = await desk.clients.of(workspace)
    with translated_errors("views.publish"):
        await client.views_publish(user_id=user_id, view=dict(view))
