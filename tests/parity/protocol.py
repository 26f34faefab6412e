"""What people can do with the bot, whatever they talk to it through.

A scenario speaks to a `Person` and knows no platform; a driver turns each act into what a person really does there.
What the bot refuses is a `Refused`, what a platform does not have at all is a `NotOffered`: nothing is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.actions import Action
from core.records import FeedbackReason, Thumb, WorkspaceSettings


class Refused(Exception):
    """The bot, or the platform's own client, said no in one sentence that only the person saw."""


class NotOffered(Exception):
    """The platform has no such thing; the driver looked for it and found nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One candidate as it is seen."""

    id: str
    text: str
    votes_up: int
    votes_down: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A request as it is seen: `text` is everything there is to read, without labels of buttons."""

    request_id: str
    text: str
    prompts: tuple[Prompt, ...]
    is_waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The options beside an idea; None where nothing is chosen."""

    aspect_ratio: str | None = None
    style: str | None = None
    version: str | None = None
    count: int | None = None
    is_private: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the privacy panel says."""

    num_requests: int
    num_candidates: int
    num_votes: int
    num_feedback: int
    num_favorites: int
    has_consented: bool


NO_WISH = Wish()


class Person(Protocol):
    """Somebody who uses the bot; every act raises `Refused` where it is not taken."""

    external_id: str  # who the product's rows say this is

    async def begins(self, idea: str, wish: Wish = NO_WISH) -> str:
        """Ask; return the request's id as soon as it is in the line."""
        ...

    async def asks(self, idea: str, wish: Wish = NO_WISH) -> Answer:
        """Ask and wait for the answer."""
        ...

    async def looks(self, request_id: str) -> Answer | None:
        """Return what the person sees of a request now; None when they see nothing of it."""
        ...

    async def sees_answer(self, request_id: str) -> Answer:
        """Wait until the request's answer is there."""
        ...

    async def presses(self, prompt_id: str, thumb: Thumb) -> None: ...

    async def explains(
        self, prompt_id: str, *, reason: FeedbackReason | None = None, correction: str | None = None
    ) -> None:
        """Fill in the form that is offered after a 👎."""
        ...

    async def varies(self, prompt_id: str) -> Answer: ...

    async def remixes(self, request_id: str, idea: str) -> Answer: ...

    async def rerolls(self, request_id: str) -> Answer: ...

    async def saves(self, prompt_id: str) -> bool:
        """Save a prompt, or take it out again; return which it is now."""
        ...

    async def shares(self, prompt_id: str) -> str:
        """Show one prompt to everybody; return what they see.

        Raises:
            NotOffered: nobody else is there.
        """
        ...

    async def cancels(self, request_id: str) -> None: ...

    async def cancels_all(self) -> None: ...

    async def deletes(self, request_id: str) -> None: ...

    async def history(self) -> str:
        """Return the text of all pages, newest first."""
        ...

    async def favorites(self) -> str:
        """Return the text of all pages, newest first."""
        ...

    async def queue(self) -> str: ...

    async def privacy(self) -> Kept: ...

    async def exports(self) -> Mapping[str, object]: ...

    async def consents(self, *, is_given: bool) -> None: ...

    async def forgets_everything(self) -> None: ...

    async def model(self) -> str: ...

    async def retrains(self) -> str:
        """Ask for a training and confirm it; return what the bot says of it."""
        ...

    async def looks_at_the_plan(self) -> str:
        """Return what the votes are enough for, as the bot tells it."""
        ...

    async def looks_at_the_training(self) -> str: ...

    async def cancels_training(self) -> str:
        """Ask for the end of the training and confirm it; return what the bot says of it."""
        ...

    async def rolls_back(self) -> str: ...

    async def promotes(self, adapter: str) -> str: ...

    async def changes_settings(self, settings: WorkspaceSettings) -> None:
        """Set every setting of the workspace.

        Raises:
            NotOffered: there is no workspace.
        """
        ...

    async def repeats(self, *, acts_ago: int = 0) -> None:
        """Have the platform tell the bot of the last act, or of one before it, once more, and see the bot take it."""
        ...

    async def forges(self, action: Action, target_id: str) -> None:
        """Press a button that was never offered."""
        ...
