"""One cycle of learning from votes, and what serves, as they cross package borders."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CycleState(StrEnum):
    """One meaning a state of a cycle; at most one cycle is open."""

    PLANNED = "planned"  # waits for a process that carries it out
    BUILDING = "building"  # votes become a frozen set of examples
    TRAINING = "training"  # its training run goes on
    EVALUATING = "evaluating"  # the new adapter and what serves are measured side by side
    GATED = "gated"  # passed the gate, waits for its canary to begin
    CANARY = "canary"  # answers a blind share of the requests, until votes decide
    PROMOTED = "promoted"  # its adapter serves
    REJECTED = "rejected"  # the gate or the canary said no; `reason` says why
    FAILED = "failed"  # could not be carried out; `reason` says why
    CANCELLED = "cancelled"  # somebody took it back

    @property
    def is_open(self) -> bool:
        """Say whether something is still to be done."""
        return self in OPEN_STATES

    @property
    def has_adapter(self) -> bool:
        """Say whether a trained adapter is there for sure."""
        return self in (CycleState.EVALUATING, CycleState.GATED, CycleState.CANARY, CycleState.PROMOTED)


OPEN_STATES = (
    CycleState.PLANNED,
    CycleState.BUILDING,
    CycleState.TRAINING,
    CycleState.EVALUATING,
    CycleState.GATED,
    CycleState.CANARY,
)


class Room(StrEnum):
    """What a training asks of the workers that share its GPU."""

    NF4 = "nf4"  # serve in 4 bits
    PAUSE = "pause"  # leave the GPU until training is over


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleView:
    """One cycle as people see it.

    `feedback` is what became of the votes (counts and reasons, never a text), `gate` the gate's table, `canary` the
    last tally of the canary; each is None until it is there. `champion` is the adapter that the new one has to beat
    (None: the base alone), `adapter` the new one. `history` has the moment of each state so far, in order.
    `reason` is one sentence, present for a cycle that ended without a promotion. `is_cancel_wanted` means that
    somebody asked the process that carries it out to end it.
    """

    id: str
    state: CycleState
    base_model: str
    is_automatic: bool
    asked_by: str | None
    run_id: str | None
    champion: str | None
    adapter: str | None
    config: Mapping[str, object]
    feedback: Mapping[str, object] | None
    gate: Mapping[str, object] | None
    canary: Mapping[str, object] | None
    history: tuple[tuple[CycleState, datetime], ...]
    reason: str | None
    is_cancel_wanted: bool
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFiles:
    """An adapter to load: its id, its folder, and the SHA-256 of its weights file (hexadecimal)."""

    id: str
    folder: str
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPlan:
    """What has to answer requests now: `active` (None: the base alone), and `canary` for a share of them (0 to 1)."""

    active: AdapterFiles | None = None
    canary: AdapterFiles | None = None
    canary_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Votes on the prompts of one side of a canary: thumbs up and down, and the people behind them."""

    num_up: int
    num_down: int
    num_raters: int

    @property
    def num_votes(self) -> int:
        """Return all votes."""
        return self.num_up + self.num_down

    @property
    def liked_share(self) -> float | None:
        """Return the share of thumbs up, 0 to 1; None without a vote."""
        return self.num_up / self.num_votes if self.num_votes else None
