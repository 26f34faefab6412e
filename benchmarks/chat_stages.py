"""A platform's fake in this process with a crowd on it, the same for Discord and Slack.

Everybody acts when a benchmark says so; what a stage measures is the time from the act to its acknowledgement, as the
platform sees it. It knows no bot: the bot is started with a stage's `environment`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from core.records import Platform
from tests.parity.waiting import until

NUM_CHANNELS = 25
UP, DOWN = "mj1:up:", "mj1:down:"  # marks of the thumbs, with the id of the prompt behind


class Act(Protocol):
    """One thing that somebody did."""

    @property
    def seconds(self) -> float | None:
        """From the act to its acknowledgement; None while there is none."""
        ...

    async def replay(self) -> None:
        """Let the platform tell the bot of it once more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An answer that people see: the buttons by their marks, and what to press on."""

    text: str
    marks: tuple[str, ...]
    message: Any  # the fake's own

    def candidate_ids(self) -> list[str]:
        """Return the ids of the prompts, the best first."""
        return [mark.removeprefix(UP) for mark in self.marks if mark.startswith(UP)]


class Stage(ABC):
    """One platform with `num_people` in some channels of one workspace."""

    platform: Platform
    label: str  # of the line that the bot prints once it is connected
    cuts: tuple[str, ...]  # the ways in which the platform breaks a connection

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *error: object) -> None: ...

    @property
    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """What the bot needs to connect."""

    @abstractmethod
    def external_id(self, person: int) -> str:
        """Return a person's id as the bot's database keeps it."""

    @abstractmethod
    async def ask(self, person: int, idea: str) -> Act:
        """Let a person ask; return once it is acknowledged, or too late."""

    @abstractmethod
    async def look_back(self, person: int) -> Act:
        """Let a person ask for their history; return once it is acknowledged, or too late."""

    @abstractmethod
    async def press(self, person: int, shown: Shown, mark: str) -> Act:
        """Let a person press a button; return once it is acknowledged, or too late."""

    @abstractmethod
    def answers(self) -> list[Shown]:
        """Return the newest messages that hold prompts and that everybody sees."""

    @abstractmethod
    def labels(self, shown: Shown) -> dict[str, str]:
        """Return what the buttons of a message say now, by their marks."""

    @abstractmethod
    def num_edits(self, shown: Shown) -> int:
        """Count how often a message was edited so far."""

    @abstractmethod
    async def cut(self, how: str) -> None:
        """Break the connection in one of `cuts`."""

    @abstractmethod
    def num_sessions(self) -> int:
        """Count how often the bot connected so far: from then on it hears what happens, and what it missed."""

    @property
    @abstractmethod
    def violations(self) -> list[str]:
        """What the bot did that no correct bot does."""

    async def answer_to(self, subject: str, *, within_seconds: float = 30.0) -> Shown:
        """Wait for the answer that is about `subject`.

        Raises:
            AssertionError: there was none within the time.
        """
        return await until(
            lambda: next((shown for shown in self.answers() if subject in shown.text), None),
            f"answer about {subject}",
            within_seconds=within_seconds,
        )
