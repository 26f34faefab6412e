"""The methods views.*: opening, pushing and updating modals, publishing home tabs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.fakes.slack.limits import view_problems
from tests.fakes.slack.views import View
from tests.fakes.slack.web_api import Call, Method, SlackError

if TYPE_CHECKING:
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.world import World

MAX_STACK = 3
Result = Mapping[str, Any]


def view_methods() -> dict[str, Method]:
    """Return the methods by name; they need no scope."""
    return {
        "views.open": Method(run=_open),
        "views.push": Method(run=_push),
        "views.update": Method(run=_update),
        "views.publish": Method(run=_publish),
    }


def _open(world: "World", call: Call) -> Result:
    content = _content(world, call, "modal")
    person = _person_of_trigger(world, call)
    view = View(person, content, trigger_id=str(call.arguments["trigger_id"]))
    return _opened(world, view)


def _push(world: "World", call: Call) -> Result:
    content = _content(world, call, "modal")
    person = _person_of_trigger(world, call)
    if not person.views:
        raise SlackError("not_found")
    if len(person.views) >= MAX_STACK:
        raise SlackError("push_limit_reached")
    view = View(person, content, trigger_id=str(call.arguments["trigger_id"]))
    view.below = person.views[-1]
    return _opened(world, view)


def _update(world: "World", call: Call) -> Result:
    view = world.views.get(str(call.arguments.get("view_id")))
    if view is None and call.arguments.get("external_id"):
        wanted = call.arguments["external_id"]
        view = next((each for each in world.views.values() if each.content.get("external_id") == wanted), None)
    if view is None or not view.is_open or view.person.team is not call.team:
        raise SlackError("not_found")
    if call.arguments.get("hash") not in (None, view.hash):
        raise SlackError("hash_conflict")
    view.show(_content(world, call, view.type))
    return {"view": view.as_payload()}


def _publish(world: "World", call: Call) -> Result:
    content = _content(world, call, "home")
    assert call.team is not None
    person = call.team.users.get(str(call.arguments.get("user_id")))
    if person is None:
        raise SlackError("user_not_found")
    if call.arguments.get("hash") is not None and (person.home is None or call.arguments["hash"] != person.home.hash):
        raise SlackError("hash_conflict")
    if person.home is None:
        person.home = View(person, content)
        world.keep_view(person.home)
    else:
        person.home.show(content)
    return {"view": person.home.as_payload()}


def _opened(world: "World", view: View) -> Result:
    view.person.views.append(view)
    world.keep_view(view)
    return {"view": view.as_payload()}


def _person_of_trigger(world: "World", call: Call) -> "Person":
    found = world.triggers.exchange(call.arguments.get("trigger_id"))
    if isinstance(found, str):
        world.violation(f"{call.method} was called without a live trigger_id: {found}")
        raise SlackError(found)
    if found.team is not call.team:
        raise SlackError("invalid_trigger_id")
    return found


def _content(world: "World", call: Call, kind: str) -> Mapping[str, Any]:
    content: Any = call.arguments.get("view")
    problems = view_problems(content)
    if not problems and content["type"] != kind:
        problems = [f"the view is of the type {content['type']}, not {kind}"]
    for problem in problems:
        world.violation(f"{call.method}: {problem}")
    if problems:
        raise SlackError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {problems[0]}"]})
    return dict(content)
