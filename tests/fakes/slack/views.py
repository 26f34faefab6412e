"""Modals and home tabs: what they show, and what a person fills in.

They do not know how they are opened or sent: `view_methods` and `people` do.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.fakes.slack import blocks as block_tree

if TYPE_CHECKING:
    from tests.fakes.slack.people import Person

Json = Mapping[str, Any]
_FRAME = ("title", "submit", "close", "private_metadata", "callback_id", "external_id", "clear_on_close")
_CHOICE_STATES = {"static_select": "selected_option", "radio_buttons": "selected_option"} | {
    "checkboxes": "selected_options",
    "multi_static_select": "selected_options",
}
_OTHER_STATES = {
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
}


class View:
    """A modal or a home tab of one person."""

    def __init__(self, person: "Person", content: Json, *, trigger_id: str | None = None) -> None:
        self.id = person.team.world.new_id("V")
        self.person = person
        self.trigger_id = trigger_id
        self.below: View | None = None  # what is seen again when this one closes
        self.is_open = True
        self.errors: dict[str, str] = {}
        self.num_updates = 0
        self.show(content)

    def show(self, content: Json) -> None:
        """Show `content` from now on."""
        self.content = dict(content)
        self.content["blocks"] = block_tree.with_ids(content.get("blocks"), f"v{self.num_updates}.")
        self.num_updates += 1
        self.hash = f"{self.num_updates}.{self.id}"

    @property
    def type(self) -> str:
        return str(self.content["type"])

    @property
    def title(self) -> str:
        return str((self.content.get("title") or {}).get("text", ""))

    @property
    def blocks(self) -> list[dict[str, Any]]:
        return list(self.content["blocks"])

    @property
    def text(self) -> str:
        return block_tree.shown_text(self.blocks)

    @property
    def controls(self) -> list[block_tree.Control]:
        return block_tree.controls(self.blocks)

    @property
    def buttons(self) -> list[tuple[str, str, str | None]]:
        """(label, action_id, value) of everything that can be pressed."""
        return [(control.label, control.action_id, control.value) for control in self.controls]

    @property
    def fields(self) -> list[block_tree.Field]:
        return block_tree.fields(self.blocks)

    @property
    def root(self) -> "View":
        return self if self.below is None else self.below.root

    def as_payload(self, values: Json | None = None) -> dict[str, Any]:
        """Return the view as the Web API and interactions show it, with what is filled in."""
        team = self.person.team
        return {
            "id": self.id,
            "team_id": team.id,
            "type": self.type,
            "blocks": self.blocks,
            "private_metadata": "",
            "callback_id": "",
            "state": {"values": self.values({}) if values is None else dict(values)},
            "hash": self.hash,
            "previous_view_id": None if self.below is None else self.below.id,
            "root_view_id": self.root.id,
            "app_id": team.world.app_id,
            "app_installed_team_id": team.id,
            "bot_id": team.bot_id,
            **{name: self.content[name] for name in _FRAME if name in self.content},
        }

    def values(self, answers: Json) -> dict[str, dict[str, Any]]:
        """Return what Slack sends as `state.values` when a person fills in `answers`.

        An answer's key is the label, action_id or block_id of an input; its value is a text, an option's label or
        value, a list of those, or for a block_id also Slack's own `{action_id: state}`.

        Raises:
            AssertionError: an answer fits no input, or Slack would not let a person enter it.
        """
        names = {name for field in self.fields for name in field.names}
        assert names >= set(answers), f"The form has no input {set(answers) - names}; it has {sorted(names)}."
        values: dict[str, dict[str, Any]] = {}
        for field in self.fields:
            given = [answers[name] for name in field.names if name in answers]
            state = _initial_state(field.element)
            if given and isinstance(given[0], Mapping):
                state = dict(given[0][field.action_id])
            elif given:
                state = _filled_in(field.element, given[0])
            values.setdefault(field.block_id, {})[field.action_id] = state
        return values

    def require_complete(self, values: Json) -> None:
        """Check what Slack's own client checks before it sends a form.

        Raises:
            AssertionError: something required is missing.
        """
        for field in self.fields:
            state = values[field.block_id][field.action_id]
            answer = next((value for name, value in state.items() if name != "type"), None)
            assert answer or field.is_optional, f"Slack does not send the form: {field.label!r} is empty."


def _initial_state(element: Json) -> dict[str, Any]:
    kind = element["type"]
    if kind in _CHOICE_STATES:
        name = _CHOICE_STATES[kind]
        default: object = [] if name == "selected_options" else None
        return {"type": kind, name: element.get(name.replace("selected", "initial"), default)}
    name = _OTHER_STATES.get(kind, "value")
    return {"type": kind, name: element.get(name.replace("selected", "initial") if "_" in name else "initial_value")}


def _filled_in(element: Json, answer: Any) -> dict[str, Any]:
    kind = element["type"]
    if kind in _CHOICE_STATES:
        name = _CHOICE_STATES[kind]
        if name == "selected_options":
            wanted: Sequence[str] = [answer] if isinstance(answer, str) else answer
            return {"type": kind, name: [_option(element, each) for each in wanted]}
        return {"type": kind, name: None if answer is None else _option(element, answer)}
    name = _OTHER_STATES.get(kind, "value")
    if name == "value" and answer is not None:
        limit = element.get("max_length", 3000)
        assert len(answer) <= limit, f"Slack's client takes at most {limit} characters, not {len(answer)}."
        assert not answer or len(answer) >= element.get("min_length", 0), "Slack's client wants a longer text."
    return {"type": kind, name: answer or None}


def _option(element: Json, answer: str) -> Json:
    for option in element["options"]:
        if answer in (option["value"], option["text"]["text"]):
            return dict(option)
    raise AssertionError(f"There is no option {answer!r}: {[option['value'] for option in element['options']]}.")
