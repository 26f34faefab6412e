"""The port between the chats and the rules by which votes become a training: bot/ never imports the trainer.

It knows no platform and no text of anybody's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.errors import NotPossible
from storage.database import Database, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """A person none of whose votes count; `evidence` is one sentence."""

    rater: str
    reason: str
    num_votes: int
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the votes of this moment are enough for.

    `dropped` counts votes by why they do not count. `missing` is one sentence where nothing would be trained, else
    None; `why` says what would be trained for what reason.
    """

    num_votes: int
    num_people: int
    num_prompts: int
    num_rated_prompts: int
    dropped: Mapping[str, int]
    suspects: tuple[Suspicion, ...]
    objective: str
    why: str
    missing: str | None


class CyclePlanner(Protocol):
    """What plans cycles of learning; `has_keeper` says whether this program also sees to it that they are begun."""

    @property
    def has_keeper(self) -> bool: ...

    async def outlook(self, database: Database) -> Outlook:
        """Return what a cycle would make of the votes of this moment; nothing is written.

        Raises:
            NotPossible: its configuration cannot be used.
        """
        ...

    async def plan(self, session: Session, base_model: str, *, asked_by: str) -> str:
        """Plan a cycle in the caller's transaction; return its id.

        Raises:
            TrainingBusy: another cycle is open.
            NotPossible: its configuration cannot be used, or nothing could try what is learned.
        """
        ...

    def gate_rows(self, gate: Mapping[str, object]) -> Sequence[Sequence[str]]:
        """Return the gate's tests as text: label, what serves, the new one, the bound and the verdict each."""
        ...


def needed(planner: CyclePlanner | None) -> CyclePlanner:
    """Return the planner.

    Raises:
        NotPossible: this process has none.
    """
    if planner is None:
        raise NotPossible("This process cannot plan a training; use `mjprompt retrain` instead.")
    return planner
