"""Every row that the product keeps.

A row never leaves storage/: functions here return the frozen records of core/records.py. What a person can be
forgotten by hangs below their user row with ON DELETE CASCADE. The order is that of the circle: who asks,
what they ask, what they get, what they think of it, and what is learned from that.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.records import Platform, RequestState, Thumb, WorkerState
from storage.columns import ExternalId, Identifier, Row, enum_column
from storage.states import AdapterState, OutboxState, RunState


class WorkspaceRow(Row):
    """A Discord server or Slack workspace."""

    __tablename__ = "workspaces"
    __table_args__ = (UniqueConstraint("platform", "external_id"),)

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    platform: Mapped[Platform] = mapped_column(enum_column(Platform, "platform"))
    external_id: Mapped[ExternalId]
    created_at: Mapped[datetime]


class UserRow(Row):
    """A person on one platform; `workspace_id` is where they last wrote from."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("platform", "external_id"),)

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    platform: Mapped[Platform] = mapped_column(enum_column(Platform, "platform"))
    external_id: Mapped[ExternalId]
    display_name: Mapped[str | None] = mapped_column(Text)
    workspace_id: Mapped[Identifier | None] = mapped_column(ForeignKey("workspaces.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]


class ConsentRow(Row):
    """One decision about learning from a person's text and votes; append-only, the latest one holds."""

    __tablename__ = "consents"
    __table_args__ = (Index(None, "user_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)  # counts up: the order of decisions
    user_id: Mapped[Identifier] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    is_given: Mapped[bool]
    created_at: Mapped[datetime]


class RequestRow(Row):
    """One `/mjprompt`, which is also its own job in the queue.

    Running and leased are the same thing: `lease_token` and `lease_expires_at` are set then and only then.
    """

    __tablename__ = "requests"
    __table_args__ = (
        CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="running_is_leased"),
        CheckConstraint("(lease_token IS NULL) = (lease_expires_at IS NULL)", name="lease_is_whole"),
        CheckConstraint("num_candidates >= 1", name="asks_for_something"),
        Index(None, "user_id", "id"),
        Index(None, "user_id", "started_at"),
        Index(None, "state", "created_at"),
        Index(None, "state", "finished_at"),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    user_id: Mapped[Identifier] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    workspace_id: Mapped[Identifier | None] = mapped_column(ForeignKey("workspaces.id", ondelete="SET NULL"))
    idea: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    parameters: Mapped[str] = mapped_column(Text)
    images: Mapped[list[str]]
    midjourney_version: Mapped[str] = mapped_column(String(16))
    num_candidates: Mapped[int]
    state: Mapped[RequestState] = mapped_column(enum_column(RequestState, "state"))
    created_at: Mapped[datetime]
    deadline: Mapped[datetime]
    started_at: Mapped[datetime | None]  # when it was claimed; None while it waits
    finished_at: Mapped[datetime | None]
    attempts: Mapped[int]  # claims so far, without those that were released
    worker_id: Mapped[ExternalId | None]  # who holds or last held it; workers come and go, so no foreign key
    lease_token: Mapped[Identifier | None]
    lease_expires_at: Mapped[datetime | None]
    decoding_seconds: Mapped[float | None]
    error: Mapped[str | None] = mapped_column(Text)


class CandidateRow(Row):
    """One prompt offered for a request, with all that made it."""

    __tablename__ = "candidates"
    __table_args__ = (UniqueConstraint("request_id", "rank"),)

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    request_id: Mapped[Identifier] = mapped_column(ForeignKey("requests.id", ondelete="CASCADE"))
    rank: Mapped[int]  # as shown, best first
    text: Mapped[str] = mapped_column(Text)
    score: Mapped[float]  # mean log-probability per token, nats
    base_model: Mapped[str] = mapped_column(Text)
    adapter: Mapped[str | None] = mapped_column(Text)
    precision: Mapped[str] = mapped_column(String(16))
    device: Mapped[str] = mapped_column(Text)
    decode_settings: Mapped[dict[str, object]]
    created_at: Mapped[datetime]


class VoteEventRow(Row):
    """One press of a thumb; append-only. `thumb` is None where a vote was taken back."""

    __tablename__ = "vote_events"
    __table_args__ = (UniqueConstraint("user_id", "event_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)  # counts up: the order of presses
    user_id: Mapped[Identifier] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    candidate_id: Mapped[Identifier] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), index=True)
    event_id: Mapped[ExternalId]
    thumb: Mapped[Thumb | None] = mapped_column(enum_column(Thumb, "thumb"))
    created_at: Mapped[datetime]


class VoteRow(Row):
    """What a user thinks of a candidate now: the thumb of their latest vote event, no row after an undo."""

    __tablename__ = "votes"

    user_id: Mapped[Identifier] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    candidate_id: Mapped[Identifier] = mapped_column(
        ForeignKey("candidates.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    thumb: Mapped[Thumb] = mapped_column(enum_column(Thumb, "thumb"))
    vote_event_id: Mapped[int] = mapped_column(ForeignKey("vote_events.id", ondelete="CASCADE"), unique=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class OutboxRow(Row):
    """One chat message on its way out; `key` is the logical message, so that it is written once."""

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("platform", "key"), Index(None, "state", "next_attempt_at"))

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    request_id: Mapped[Identifier] = mapped_column(ForeignKey("requests.id", ondelete="CASCADE"), index=True)
    platform: Mapped[Platform] = mapped_column(enum_column(Platform, "platform"))
    key: Mapped[ExternalId]
    destination: Mapped[dict[str, object]]  # what the gateway needs to address it
    payload: Mapped[dict[str, object]]
    state: Mapped[OutboxState] = mapped_column(enum_column(OutboxState, "state"))
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]


class SeenEventRow(Row):
    """One event of a platform that was taken in, and the request it led to: a replay changes nothing."""

    __tablename__ = "seen_events"

    platform: Mapped[Platform] = mapped_column(enum_column(Platform, "platform"), primary_key=True)
    event_id: Mapped[ExternalId] = mapped_column(primary_key=True)
    request_id: Mapped[Identifier | None] = mapped_column(ForeignKey("requests.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]


class WorkerRow(Row):
    """One worker process that says it is there; the model's columns are None while it has none loaded."""

    __tablename__ = "workers"

    id: Mapped[ExternalId] = mapped_column(primary_key=True)
    state: Mapped[WorkerState] = mapped_column(enum_column(WorkerState, "state"))
    base_model: Mapped[str | None] = mapped_column(Text)
    adapter: Mapped[str | None] = mapped_column(Text)
    precision: Mapped[str | None] = mapped_column(String(16))
    device: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime]


class TrainingRunRow(Row):
    """One training run: what went in and what came out."""

    __tablename__ = "training_runs"

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    state: Mapped[RunState] = mapped_column(enum_column(RunState, "state"))
    base_model: Mapped[str] = mapped_column(Text)
    base_revision: Mapped[str | None] = mapped_column(Text)
    config: Mapped[dict[str, object]]
    seed: Mapped[int]
    dataset_hash: Mapped[str | None] = mapped_column(String(64))  # SHA-256, hexadecimal
    metrics: Mapped[dict[str, object]]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class TrainingExampleRow(Row):
    """Which vote went into which run; it goes when the person who voted or asked is forgotten."""

    __tablename__ = "training_examples"

    run_id: Mapped[Identifier] = mapped_column(ForeignKey("training_runs.id", ondelete="CASCADE"), primary_key=True)
    vote_event_id: Mapped[int] = mapped_column(
        ForeignKey("vote_events.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class AdapterRow(Row):
    """LoRA weights in their folder; at most one of a base model is active."""

    __tablename__ = "adapters"
    __table_args__ = (
        Index(
            "uq_adapters_active_base_model",
            "base_model",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    state: Mapped[AdapterState] = mapped_column(enum_column(AdapterState, "state"))
    training_run_id: Mapped[Identifier | None] = mapped_column(
        ForeignKey("training_runs.id", ondelete="RESTRICT"), index=True
    )
    base_model: Mapped[str] = mapped_column(Text)
    base_revision: Mapped[str | None] = mapped_column(Text)
    folder: Mapped[str] = mapped_column(Text)
    metrics: Mapped[dict[str, object]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


METADATA = Row.metadata  # every table above, as migrations and tests need them
