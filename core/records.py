"""Frozen records that cross package borders.

Rows, tensors and SDK objects never do. Identifiers made here are ULIDs (26 characters, ordered by time); identifiers
from outside are kept together with their platform. Times are aware UTC.
"""

from collections.abc import Mapping
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


class RequestKind(StrEnum):
    """How a request came about."""

    ASK = "ask"  # typed as `/mjprompt`
    VARY = "vary"  # more like one candidate
    REMIX = "remix"  # an earlier idea, edited
    REROLL = "reroll"  # the same idea again, to get other prompts


class FeedbackReason(StrEnum):
    """Why somebody does not like a candidate."""

    OFF_TOPIC = "off_topic"  # not what was asked for
    UNGRAMMATICAL = "ungrammatical"  # it does not read as a prompt
    WRONG_STYLE = "wrong_style"  # the look does not fit
    UNSAFE = "unsafe"  # it should not be shown to anybody
    DUPLICATE = "duplicate"  # it says the same as another one


class OutboxKind(StrEnum):
    """What a chat message on its way out shows."""

    ANSWER = "answer"  # a request: its place in the line, then its candidates
    SHARE = "share"  # one candidate, shown to everybody in the conversation


class AuditAction(StrEnum):
    """What was tried that touches more than the person's own rows."""

    RETRAIN = "retrain"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    CHANGE_SETTINGS = "change_settings"
    FORGET = "forget"
    EXPORT = "export"
    FOREIGN_ID = "foreign_id"  # pressed on something of another workspace
    UNINSTALL = "uninstall"
    CANCEL_RETRAIN = "cancel_retrain"


class WorkerState(StrEnum):
    """What a worker process says of itself."""

    LOADING = "loading"  # the model is being loaded
    READY = "ready"  # claiming requests
    DRAINING = "draining"  # finishing what it holds, claiming nothing more


class RunState(StrEnum):
    """One meaning a state of one training run."""

    QUEUED = "queued"  # waiting for a trainer
    RUNNING = "running"  # training now
    STOPPED = "stopped"  # saved and ended by whoever ran it; it can be resumed
    DONE = "done"  # its adapter is there
    FAILED = "failed"  # ended without an adapter; `error` says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person as a platform names them, and where they are writing from.

    `workspace_external_id` is the Discord server or Slack workspace, None in a direct message and on the web;
    `conversation_external_id` is the channel. `locale` is a language tag such as `de` or `en-US`.
    """

    platform: Platform
    external_id: str
    display_name: str | None = None
    workspace_external_id: str | None = None
    conversation_external_id: str | None = None
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """One `/mjprompt`, checked and ready to be queued.

    `idea` is what the person typed after cleaning; `subject` is its text without parameters and image links;
    `parameters` is the canonical rendering of the person's own parameters (may be empty), `images` their leading links.
    `avoid` holds earlier texts that the answer has to differ from, `parent_id` the request that this one goes on from.
    """

    idea: str
    subject: str
    parameters: str = ""
    images: tuple[str, ...] = ()
    midjourney_version: str = "8.2"
    num_candidates: int = 4
    timeout_seconds: float = 120.0
    kind: RequestKind = RequestKind.ASK
    parent_id: str | None = None
    avoid: tuple[str, ...] = ()
    is_private: bool = False


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
    avoid: tuple[str, ...] = ()


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
    """One prompt as a person sees it.

    `votes_up` and `votes_down` count everybody; `my_vote` and `is_saved` (among the favourites) are the viewer's own.
    """

    id: str
    rank: int
    text: str
    score: float
    votes_up: int = 0
    votes_down: int = 0
    my_vote: Thumb | None = None
    is_saved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """One request as a person sees it.

    `position` counts from 1 among the queued (None once it is not queued); `eta_seconds` is None when nothing is known.
    `error` is one sentence that is safe to show, present for failed and expired requests. `decoding_seconds` is how
    long the model wrote, as its worker measured it, None until it is done. `is_own` says whether the viewer asked,
    `asker_name` what the platform calls the person who did, where it says.
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
    kind: RequestKind = RequestKind.ASK
    is_private: bool = False
    is_own: bool = True
    asker_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker as the database knows it.

    `metrics` is what its running generator counted by `heartbeat_at` (falcon/serving_metrics.py reads it), nothing
    where batches are decoded one after the other; and, of a worker that can give a training room, where it is.
    """

    id: str
    state: WorkerState
    model: ModelInfo | None
    started_at: datetime
    heartbeat_at: datetime
    metrics: Mapping[str, object] | None = None

    @property
    def host(self) -> str | None:
        """Return the machine that it is on; None of one that gives no room."""
        found = (self.metrics or {}).get("host")
        return None if found is None else str(found)

    @property
    def is_paused(self) -> bool:
        """Say whether it has left the GPU to a training, and comes back by itself."""
        return self.metrics is not None and bool(self.metrics.get("is_paused"))

    @property
    def can_hold_canary(self) -> bool:
        """Say whether it answers with two adapters at once, as running generators do, which count their steps."""
        return self.metrics is not None and "step_seconds" in self.metrics


Destination = Mapping[str, object]  # what one gateway needs to address a message, as plain JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """One chat message that has to show something; `shown` is the progress mark that it shows now, None for none."""

    id: str
    request_id: str
    platform: Platform
    kind: OutboxKind
    candidate_id: str | None
    destination: Destination
    shown: str | None
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSettings:
    """What a workspace's admins decided; None leaves it to the product's own settings.

    `max_requests_per_day` is one person's quota within any 24 hours.
    """

    midjourney_version: str | None = None
    aspect_ratio: str | None = None
    is_private: bool = False
    max_requests_per_day: int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What somebody said of a candidate after a 👎: a reason, a better prompt, or both."""

    reason: FeedbackReason | None = None
    correction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Favorite:
    """A candidate that a person saved."""

    candidate: CandidateView
    request_id: str
    idea: str
    saved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """What serves now.

    `since` is when its worker came up, or when its adapter became active; `num_votes` is what the active adapter
    learned from and `num_own_votes` the viewer's part of it, both 0 for a base model alone.
    """

    model: ModelInfo | None
    is_ready: bool
    since: datetime | None
    adapter_id: str | None
    num_votes: int
    num_own_votes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyOverview:
    """What is kept about a person, counted by the same conditions that export and delete use.

    `adapters` had learned from it.
    """

    num_requests: int
    num_candidates: int
    num_votes: int
    num_feedback: int
    num_favorites: int
    has_consented: bool
    adapters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProgress:
    """How far a training run is: `step` of `num_steps`; `loss` in nats per token, smoothed over the last steps."""

    step: int
    num_steps: int
    loss: float
    tokens_per_second: float
    eta_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRunView:
    """One training run as people see it.

    `progress` is None until its first step, `folder` (of its adapter) until somebody trains it. `metrics` holds what
    was measured at the end, `error` one sentence, present for failed runs.
    """

    id: str
    state: RunState
    base_model: str
    base_revision: str | None
    config: Mapping[str, object]
    dataset_hash: str | None
    folder: str | None
    progress: TrainingProgress | None
    metrics: Mapping[str, object]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None
