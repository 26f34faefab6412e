"""Every row that the product keeps.

A row never leaves storage/: functions here return the frozen records of core/records.py. What a person can be
forgotten by hangs below their user row with ON DELETE CASCADE. The order is that of the circle: who asks,
what they ask, what they get, what they think of it, and what is learned from that. The rows of whole cycles of
learning are in storage/cycle_tables.py; the tables in which Slack's own library keeps its installations are in
storage/slack_tables.py.
"""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.records import (
    AuditAction,
    FeedbackReason,
    OutboxKind,
    Platform,
    RequestKind,
    RequestState,
    RunState,
    Thumb,
    WorkerState,
)
from storage.columns import ExternalId, Identifier, Row, enum_column
from storage.cycle_tables import CycleRow
from storage.slack_tables import declare_slack_tables
from storage.states import AdapterState, OutboxState


class WorkspaceRow(Row):
    """A Discord server or Slack workspace, and what its admins decided; None leaves that to the product's settings."""

    __tablename__ = "workspaces"
    __table_args__ = (UniqueConstraint("platform", "external_id"),)

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    platform: Mapped[Platform] = mapped_column(enum_column(Platform, "platform"))
    external_id: Mapped[ExternalId]
    midjourney_version: Mapped[str | None] = mapped_column(String(16))
    aspect_ratio: Mapped[str | None] = mapped_column(Text)
    is_private: Mapped[bool]
    max_requests_per_day: Mapped[int | None]  # of one person
    language: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]


class UserRow(Row):
    """A person on one platform; `workspace_id` is where they last wrote from."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("platform", "external_id"),)

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    platform: Mapped[Platform] = mapped_column(enum_column(Platform, "platform"))
    external_id: Mapped[ExternalId]
    display_name: Mapped[str | None] = mapped_column(Text)
    locale: Mapped[str | None] = mapped_column(Text)  # a language tag, as the platform last gave it
    workspace_id: Mapped[Identifier | None] = mapped_column(
        ForeignKey("workspaces.id", ondelete="SET NULL"), index=True
    )
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
        Index(None, "user_id", "created_at"),
        Index(None, "user_id", "started_at"),
        Index(None, "user_id", "state"),
        Index(None, "state", "created_at"),
        Index(None, "state", "finished_at"),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    user_id: Mapped[Identifier] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    workspace_id: Mapped[Identifier | None] = mapped_column(
        ForeignKey("workspaces.id", ondelete="SET NULL"), index=True
    )
    conversation_external_id: Mapped[ExternalId | None]  # the channel it was asked in
    kind: Mapped[RequestKind] = mapped_column(enum_column(RequestKind, "kind"))
    parent_id: Mapped[Identifier | None] = mapped_column(ForeignKey("requests.id", ondelete="SET NULL"), index=True)
    is_private: Mapped[bool]
    idea: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    parameters: Mapped[str] = mapped_column(Text)
    images: Mapped[list[str]]
    midjourney_version: Mapped[str] = mapped_column(String(16))
    num_candidates: Mapped[int]
    avoid: Mapped[list[str]]  # earlier prompts that the answer has to differ from
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
    """One press of a thumb; append-only. `thumb` is None where a vote was taken back.

    A press that arrives after a later one of the same user on the same candidate is kept, but moves no vote.
    """

    __tablename__ = "vote_events"
    __table_args__ = (
        UniqueConstraint("user_id", "event_id"),
        Index(None, "candidate_id", "user_id", "occurred_at"),
        {"sqlite_autoincrement": True},  # an id is given once: what learned from a deleted press must name no other
    )

    id: Mapped[int] = mapped_column(primary_key=True)  # counts up: the order of presses
    user_id: Mapped[Identifier] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    candidate_id: Mapped[Identifier] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"))
    event_id: Mapped[ExternalId]
    thumb: Mapped[Thumb | None] = mapped_column(enum_column(Thumb, "thumb"))
    occurred_at: Mapped[datetime | None]  # when the person pressed, where the platform tells
    created_at: Mapped[datetime]


class VoteRow(Row):
    """What a user thinks of a candidate now: the thumb of their latest vote event, no row after an undo."""

    __tablename__ = "votes"
    __table_args__ = (Index(None, "candidate_id", "thumb"),)  # counting reads nothing but this index

    user_id: Mapped[Identifier] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    candidate_id: Mapped[Identifier] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), primary_key=True)
    thumb: Mapped[Thumb] = mapped_column(enum_column(Thumb, "thumb"))
    vote_event_id: Mapped[int] = mapped_column(ForeignKey("vote_events.id", ondelete="CASCADE"), unique=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class FavoriteRow(Row):
    """A candidate that a user saved."""

    __tablename__ = "favorites"
    __table_args__ = (UniqueConstraint("user_id", "candidate_id"), Index(None, "user_id", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)  # counts up: the order of saving
    user_id: Mapped[Identifier] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    candidate_id: Mapped[Identifier] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]


class FeedbackRow(Row):
    """What a user said of a candidate in words: why they do not like it, a better prompt, or both."""

    __tablename__ = "feedback"
    __table_args__ = (CheckConstraint("reason IS NOT NULL OR correction IS NOT NULL", name="says_something"),)

    user_id: Mapped[Identifier] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    candidate_id: Mapped[Identifier] = mapped_column(
        ForeignKey("candidates.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    reason: Mapped[FeedbackReason | None] = mapped_column(enum_column(FeedbackReason, "reason"))
    correction: Mapped[str | None] = mapped_column(Text)
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
    kind: Mapped[OutboxKind] = mapped_column(enum_column(OutboxKind, "kind"))
    candidate_id: Mapped[Identifier | None] = mapped_column(ForeignKey("candidates.id", ondelete="CASCADE"), index=True)
    destination: Mapped[dict[str, object]]  # what the gateway needs to address it
    shown: Mapped[str | None] = mapped_column(Text)  # the progress that the message shows now
    looked_at: Mapped[datetime]  # when its progress was last asked for
    state: Mapped[OutboxState] = mapped_column(enum_column(OutboxState, "state"))
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]


class SeenEventRow(Row):
    """One event of a platform that was taken in, and the request it led to: a replay changes nothing.

    It outlives that request, so that a replay does not ask again for what was deleted, but not its user.
    """

    __tablename__ = "seen_events"

    platform: Mapped[Platform] = mapped_column(enum_column(Platform, "platform"), primary_key=True)
    event_id: Mapped[ExternalId] = mapped_column(primary_key=True)
    request_id: Mapped[Identifier | None] = mapped_column(ForeignKey("requests.id", ondelete="SET NULL"), index=True)
    user_id: Mapped[Identifier | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]


class AuditEventRow(Row):
    """One try at something that touches more than a person's own rows; it stays when they are forgotten."""

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(primary_key=True)  # counts up: the order of events
    action: Mapped[AuditAction] = mapped_column(enum_column(AuditAction, "action"))
    user_id: Mapped[Identifier | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    workspace_external_id: Mapped[ExternalId | None]
    is_allowed: Mapped[bool]
    details: Mapped[dict[str, object]]  # never what somebody typed
    created_at: Mapped[datetime]


class WorkerRow(Row):
    """One worker process that says it is there; the model's columns are None while it has none loaded.

    `metrics` says how its running batch goes, None where there is no such thing.
    """

    __tablename__ = "workers"

    id: Mapped[ExternalId] = mapped_column(primary_key=True)
    state: Mapped[WorkerState] = mapped_column(enum_column(WorkerState, "state"))
    base_model: Mapped[str | None] = mapped_column(Text)
    adapter: Mapped[str | None] = mapped_column(Text)
    precision: Mapped[str | None] = mapped_column(String(16))
    device: Mapped[str | None] = mapped_column(Text)
    metrics: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
    started_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime]


class TrainingRunRow(Row):
    """One training run: what went in, how far it is, and what came out; at most one is running.

    `host`, `process_id` and `heartbeat_at` say who trains, and stay when that ends.
    """

    __tablename__ = "training_runs"
    __table_args__ = (
        Index(
            "uq_training_runs_running_state",
            "state",
            unique=True,
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
    )

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
    folder: Mapped[str | None] = mapped_column(Text)  # of its adapter; its checkpoints are beside it
    step: Mapped[int | None]
    num_steps: Mapped[int | None]
    loss: Mapped[float | None]  # nats per token
    tokens_per_second: Mapped[float | None]
    eta_seconds: Mapped[float | None]
    host: Mapped[str | None] = mapped_column(Text)
    process_id: Mapped[int | None]
    heartbeat_at: Mapped[datetime | None]


class TrainingExampleRow(Row):
    """Which vote went into which example of which run; it goes when the person who voted or asked is forgotten.

    A run that was told only which votes it learns from has one row for each, whose `example` is empty.
    """

    __tablename__ = "training_examples"

    run_id: Mapped[Identifier] = mapped_column(ForeignKey("training_runs.id", ondelete="CASCADE"), primary_key=True)
    vote_event_id: Mapped[int] = mapped_column(
        ForeignKey("vote_events.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    example: Mapped[str] = mapped_column(String(64), primary_key=True, server_default="")  # SHA-256, hexadecimal
    label: Mapped[str | None] = mapped_column(String(16))  # what the vote made of the example


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
    sha256: Mapped[str | None] = mapped_column(String(64))  # of its weights file, hexadecimal
    reason: Mapped[str | None] = mapped_column(Text)  # why it is rejected or retired
    num_forgotten: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # votes gone with their people
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SyncedCommandsRow(Row):
    """What commands a platform was last told, by their hash, because it counts how often it is told."""

    __tablename__ = "synced_commands"

    platform: Mapped[Platform] = mapped_column(enum_column(Platform, "platform"), primary_key=True)
    hash: Mapped[str] = mapped_column(String(64))  # SHA-256, hexadecimal
    synced_at: Mapped[datetime]


# Every table above, those of the cycles and Slack's, as migrations and tests need them.
METADATA = CycleRow.metadata
declare_slack_tables(METADATA)
