"""Frozen records that cross package borders.

Rows, tensors and SDK objects never do. Identifiers made here are ULIDs (26 characters, ordered by time); identifiers
from outside are kept together with their platform. Times are aware UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Platform(StrEnum):
    """Where a person talks to the bot."""

    WEB = "web"
    TERMINAL = "terminal"
    DISCORD = "discord"
    SLACK = "slack"


class RequestState(StrEnum):
    """One meaning a state; storage/ holds the only transitions between them."""

    QUEUED = "queued"  # waiting for a worker
    RUNNING = "running"  # claimed by a worker under a lease
    DONE = "done"  # answered: its candidates are there
    FAILED = "failed"  # given up after the last attempt; `error` says why
    CANCELLED = "cancelled"  # taken back by the person who asked
    EXPIRED = "expired"  # its deadline passed before an answer was there

    @property
    def is_final(self) -> bool:
        return self not in (RequestState.QUEUED, RequestState.RUNNING)


class Thumb(StrEnum):
    """A vote's direction."""

    UP = "up"
    DOWN = "down"


class WorkerState(StrEnum):
    """What a worker process says of itself."""

    LOADING = "loading"  # the model is being loaded
    READY = "ready"  # claiming requests
    DRAINING = "draining"  # finishing what it holds, claiming nothing more


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person as a platform names them."""

    platform: Platform
    external_id: str
    display_name: str | None = None
    workspace_external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """One `/mjprompt`, checked and ready to be queued.

    `idea` is what the person typed after cleaning; `subject` is its text without parameters and image links;
    `parameters` is the canonical rendering of the person's own parameters (may be empty), `images` their leading links.
    """

    idea: str
    subject: str
    parameters: str = ""
    images: tuple[str, ...] = ()
    midjourney_version: str = "8.2"
    num_candidates: int = 4
    timeout_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What answers: `base` is a Hub id or folder name, `adapter` a registry id or None for the base model alone."""

    base: str
    adapter: str | None
    precision: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRequest:
    """A request that a worker holds under a lease; only the holder of `lease_token` can finish it."""

    id: str
    subject: str
    parameters: str
    images: tuple[str, ...]
    midjourney_version: str
    num_candidates: int
    attempt: int
    lease_token: str
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateDraft:
    """One finished prompt before it is stored.

    `score` is the mean log-probability per written token (nats, at most 0) under the model; `is_ended` says whether the
    model ended the text itself rather than being cut off.
    """

    rank: int
    text: str
    score: float
    is_ended: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateView:
    """One prompt as a person sees it: `votes_up` and `votes_down` count everybody, `my_vote` is the viewer's own."""

    id: str
    rank: int
    text: str
    score: float
    votes_up: int = 0
    votes_down: int = 0
    my_vote: Thumb | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """One request as a person sees it.

    `position` counts from 1 among the queued (None once it is not queued); `eta_seconds` is None when nothing is known.
    `error` is one sentence that is safe to show, present for failed and expired requests. `decoding_seconds` is how
    long the model wrote, as its worker measured it, None until it is done.
    """

    id: str
    idea: str
    subject: str
    state: RequestState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    position: int | None
    eta_seconds: float | None
    decoding_seconds: float | None
    error: str | None
    model: ModelInfo | None
    candidates: tuple[CandidateView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker as the database knows it."""

    id: str
    state: WorkerState
    model: ModelInfo | None
    started_at: datetime
    heartbeat_at: datetime
