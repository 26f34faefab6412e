"""What an acknowledgement's payload, or a body posted to a response_url, changes for the person.

Everything shown here goes through the same limits as a message of the Web API.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.fakes.slack.limits import message_problems, view_problems
from tests.fakes.slack.views import View

if TYPE_CHECKING:
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.tickets import ResponseUrl
    from tests.fakes.slack.workspaces import Channel
    from tests.fakes.slack.world import World

Json = Mapping[str, Any]


class NoAnswer:
    """For presses and shortcuts: Slack ignores what an acknowledgement carries."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def __call__(self, payload: Any) -> None:
        if payload:
            self._world.violation(f"a press was acknowledged with a payload, which Slack ignores: {payload!r:.100}")


class CommandAnswer:
    """For slash commands: the payload is a message, ephemeral unless it says otherwise."""

    def __init__(self, person: "Person", channel: "Channel") -> None:
        self._person = person
        self._channel = channel

    def __call__(self, payload: Any) -> None:
        if not payload:
            return
        body = payload if isinstance(payload, Mapping) else {"text": str(payload)}
        where = "an acknowledgement"
        if accepted(self._channel.team.world, where, body):
            post_answer(self._person, self._channel, body)


class FormAnswer:
    """For forms: nothing closes it; `response_action` shows errors, another view, or closes all."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __call__(self, payload: Any) -> None:
        action = payload.get("response_action") if isinstance(payload, Mapping) else None
        self._view.errors = {}
        match action:
            case None:
                self._close(payload)
            case "clear":
                self._close_all()
            case "errors":
                self._show_errors(payload.get("errors"))
            case "update" | "push":
                self._show(action, payload.get("view"))
            case _:
                self._world.violation(f"a form was answered with the unknown response_action {action!r}")

    @property
    def _world(self) -> "World":
        return self._view.person.team.world

    def _close(self, payload: Any) -> None:
        if payload:
            self._world.violation(f"a form was answered with a payload without response_action: {payload!r:.100}")
        self._view.is_open = False
        if self._view in self._view.person.views:
            self._view.person.views.remove(self._view)

    def _close_all(self) -> None:
        for view in self._view.person.views:
            view.is_open = False
        self._view.person.views.clear()

    def _show_errors(self, errors: Any) -> None:
        if not isinstance(errors, Mapping) or not errors:
            self._world.violation(f"a form was answered with errors that are no object: {errors!r:.100}")
            return
        known = {field.block_id for field in self._view.fields}
        for block_id in set(errors) - known:
            self._world.violation(f"a form was answered with an error for {block_id!r}, which is none of its inputs")
        self._view.errors = dict(errors)

    def _show(self, action: str, content: Any) -> None:
        problems = view_problems(content)
        for problem in problems:
            self._world.violation(f"response_action {action}: {problem}")
        if problems:
            return
        if action == "update":
            self._view.show(content)
            return
        pushed = View(self._view.person, content)
        pushed.below = self._view
        self._view.person.views.append(pushed)
        self._world.keep_view(pushed)


def accepted(world: "World", where: str, body: Json) -> bool:
    """Tell whether Slack would show the message, and note what is wrong with it."""
    problems = message_problems(body.get("text"), body.get("blocks"))
    if not body.get("text") and not body.get("blocks"):
        problems.append("there is neither text nor blocks")
    for problem in problems:
        world.violation(f"{where}: {problem}")
    return not problems


def post_answer(person: "Person", channel: "Channel", body: Json) -> None:
    """Show a message that answers `person`."""
    is_public = body.get("response_type") == "in_channel"
    channel.post(
        channel.team.bot_user,
        text=body.get("text") or "",
        blocks=body.get("blocks"),
        visible_to=None if is_public else person,
        thread_ts=body.get("thread_ts"),
    )


def answer_by_url(url: "ResponseUrl", body: Json) -> str | None:
    """Carry out a body posted to a response_url; return the name of Slack's error, None when all is well.

    Only the response_url of a press has an original message to replace or delete.
    """
    world = url.channel.team.world
    url.delivery.responses.append(dict(body))
    original = url.source if url.source is not None and url.source.author.is_bot else None
    if body.get("delete_original"):
        if original is not None:
            original.is_deleted = True
        return None
    if not accepted(world, "response_url", body):
        return "invalid_blocks" if body.get("blocks") else "no_text"
    if body.get("replace_original") and original is not None and not original.is_deleted:
        original.change(text=body.get("text") or "", blocks=body.get("blocks"), at=world.clock.now())
    else:
        post_answer(url.person, url.channel, body)
    return None
