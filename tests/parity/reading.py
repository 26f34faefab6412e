"""Messages as people read them on Discord and Slack: what is said, what stands in code blocks, what can be pressed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.actions import Action
from bot.catalog import Catalogs
from tests.parity.protocol import Answer, Prompt

CARD_MARK = re.compile(r"mj1:[a-z]+:([0-9A-HJKMNP-TV-Z]{26})")
GOOD_NEWS = (  # beginnings of keys of private sentences that say that something worked
    "cards.voted",
    "cards.done",
    "form.thanks",
    "privacy.consent",
    "cancel.",
    "settings.saved",
    "slack.private",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One thing to press; `id` is a custom_id or an action_id."""

    label: str
    id: str
    is_enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One message as the person sees it: `prompts` is what stands in code blocks, `raw` the fake's own message."""

    id: str
    text: str
    prompts: tuple[str, ...]
    buttons: tuple[Button, ...]
    is_private: bool
    raw: Any

    def has(self, button_id: str) -> bool:
        return any(button.id == button_id for button in self.buttons)

    def targets(self, *actions: Action) -> list[str]:
        """Return the ids behind the buttons of these actions, in order."""
        starts = tuple(f"mj1:{action}:" for action in actions)
        return [button.id.rpartition(":")[2] for button in self.buttons if button.id.startswith(starts)]


def answer_in(card: Seen, request_id: str) -> Answer:
    """Read the message of a request."""
    ids = card.targets(Action.UP)
    ups, downs = _counts(card, Action.UP), _counts(card, Action.DOWN)
    prompts = tuple(
        Prompt(id=prompt_id, text=text, votes_up=up, votes_down=down)
        for prompt_id, text, up, down in zip(ids, card.prompts if ids else (), ups, downs, strict=True)
    )
    is_waiting = bool(card.targets(Action.CANCEL))
    return Answer(request_id=request_id, text=card.text, prompts=prompts, is_waiting=is_waiting)


def good_news(catalogs: Catalogs) -> Iterator[str]:
    """Return the private sentences that say that something worked, in every language."""
    for language in catalogs.languages:
        for key in catalogs.keys(language):
            if key.startswith(GOOD_NEWS) and "{" not in catalogs.template(language, key):
                yield catalogs.text(language, key)


def _counts(card: Seen, action: Action) -> list[int]:
    start = f"mj1:{action}:"
    return [int(button.label.split()[-1]) for button in card.buttons if button.id.startswith(start)]
