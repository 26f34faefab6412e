"""What Bolt calls: each listener reads its payload into a call and runs one handler, guarded.

Bots and people of other workspaces are refused here, before any handler. It counts what is running, so that closing can
wait for it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.error import BoltUnhandledRequestError

from bot.slack.call import BoltAck, Call, read_command, read_form, read_press, read_shortcut
from bot.slack.clients import Workspace
from bot.slack.commands.table import COMMANDS
from bot.slack.desk import Desk
from bot.slack.errors import Handler, guarded
from bot.slack.events import told_at
from bot.slack.forms import explain, idea, questions, settings
from bot.slack.forms.deadline import in_time
from bot.slack.home import home_opened
from bot.slack.identity import is_bot, may_be_outsider
from bot.slack.lifecycle import Lifecycle
from bot.slack.panel_presses import panel_pressed
from bot.slack.presses import card_pressed
from bot.slack.surface import MESSAGE_SHORTCUT
from bot.slack.verbs import VERB_PATTERN
from core.errors import NotAllowed, UserError
from core.logs import get_logger

CLOSE_SECONDS = 5.0
ANY_MARK = re.compile(r".*", re.DOTALL)

FORMS: Mapping[str, Handler] = {
    explain.CALLBACK_ID: explain.explained,
    idea.REMIX: idea.remixed,
    idea.ASK: idea.asked,
    settings.CALLBACK_ID: settings.settings_sent,
    questions.FORGET: questions.forget_sent,
    **dict.fromkeys(questions.OPERATOR_FORMS, questions.decision_sent),
}

Body = Mapping[str, Any]
Reader = Callable[[BoltAck, Body, Workspace, str], Call]
log = get_logger(__name__)


class Listeners:
    """Registers everything that Slack can tell the app."""

    def __init__(self, desk: Desk, lifecycle: Lifecycle) -> None:
        self._desk = desk
        self._lifecycle = lifecycle
        self._running: set[asyncio.Task[None]] = set()

    def register(self, app: AsyncApp) -> None:
        """Let `app` call these listeners, the busiest first, because it asks each in turn whether it is meant.

        A button that nothing knows is refused in words, not ignored.
        """
        app.action(VERB_PATTERN)(self._listener(read_press, panel_pressed))
        app.action(ANY_MARK)(self._listener(read_press, card_pressed))
        for name, handler in COMMANDS.items():
            app.command(f"/{name}")(self._listener(read_command, handler))
        app.shortcut(MESSAGE_SHORTCUT)(self._listener(read_shortcut, idea.open_ask))
        for callback_id, handler in FORMS.items():
            app.view(callback_id)(self._listener(read_form, handler))
        app.event("app_home_opened")(self._home_opened)
        app.event("app_uninstalled")(self._uninstalled)
        app.event("tokens_revoked")(self._tokens_revoked)
        app.error(_log_error)

    async def close(self) -> None:
        """Wait a moment for what is running, then cancel it."""
        if self._running:
            _, pending = await asyncio.wait(set(self._running), timeout=CLOSE_SECONDS)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _listener(self, read: Reader, handler: Handler) -> Callable[..., Awaitable[None]]:
        async def listen(ack: BoltAck, body: Body, context: AsyncBoltContext) -> None:
            user_id = context.user_id
            if user_id is None or context.team_id is None:
                await ack()
                return
            try:
                call = read(ack, body, _workspace(context), user_id)
            except UserError as error:
                log.info("slack.unreadable", reason=str(error))
                await ack()
                return
            await self._counted(guarded(self._desk, call, _for_members(handler)))

        return listen

    async def _home_opened(self, event: Body, context: AsyncBoltContext) -> None:
        if event.get("tab") == "home" and context.user_id is not None and context.team_id is not None:
            await self._counted(home_opened(self._desk, _workspace(context), context.user_id))

    async def _uninstalled(self, body: Body, context: AsyncBoltContext) -> None:
        if context.team_id is not None:
            await self._counted(self._lifecycle.uninstalled(_workspace(context), told_at=told_at(body)))

    async def _tokens_revoked(self, body: Body, event: Body, context: AsyncBoltContext) -> None:
        if context.team_id is not None:
            work = self._lifecycle.tokens_revoked(_workspace(context), event, told_at=told_at(body))
            await self._counted(work)

    async def _counted(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await task


def _for_members(handler: Handler) -> Handler:
    """Return the handler for people of the workspace only; others are refused privately."""

    async def handle(desk: Desk, call: Call) -> None:
        if is_bot(call.body, call.user_id):
            raise NotAllowed("Only people can use this bot.")
        if may_be_outsider(call.body, call.workspace):
            is_member = await in_time(call, desk.people.is_member(call.workspace, call.user_id))
            if not is_member:
                raise NotAllowed("Only members of the workspace where this bot is installed can use it.")
        await handler(desk, call)

    return handle


def _workspace(context: AsyncBoltContext) -> Workspace:
    return Workspace(team_id=str(context.team_id), enterprise_id=context.enterprise_id)


async def _log_error(error: Exception, body: Body) -> None:
    """Log what no listener took or guarded, without what people typed."""
    kind = str(body.get("type") or ("command" if "command" in body else "unknown"))
    if isinstance(error, BoltUnhandledRequestError):
        log.info("slack.unhandled", type=kind)
    else:
        log.error("slack.listener_failed", type=kind, exc_info=error)
