"""Rows of the cycles of learning from votes, of what each let serve, and of the chat messages about them.

It does not know the other tables but by name; storage/tables.py gathers them all.
"""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.cycles import CycleState
from core.records import Platform
from storage.columns import ExternalId, Identifier, Row, enum_column
from storage.states import CycleMessageKind, OutboxState, PromotionReason


class CycleRow(Row):
    """One cycle of learning from votes; at most one is open.

    `host`, `process_id` and `heartbeat_at` say who carries it out; they are None while nobody does. `room` is what it
    asks of the workers on that host (core.cycles.Room).
    """

    __tablename__ = "cycles"
    __table_args__ = (
        CheckConstraint("is_open = (finished_at IS NULL)", name="open_is_unfinished"),
        Index(
            "uq_cycles_open",
            "is_open",
            unique=True,
            sqlite_where=text("is_open"),
            postgresql_where=text("is_open"),
        ),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    state: Mapped[CycleState] = mapped_column(enum_column(CycleState, "state"))
    is_open: Mapped[bool]
    base_model: Mapped[str] = mapped_column(Text)
    is_automatic: Mapped[bool]
    asked_by: Mapped[Identifier | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    run_id: Mapped[Identifier | None] = mapped_column(ForeignKey("training_runs.id", ondelete="RESTRICT"), index=True)
    adapter_id: Mapped[Identifier | None] = mapped_column(ForeignKey("adapters.id", ondelete="RESTRICT"), index=True)
    champion_id: Mapped[Identifier | None] = mapped_column(ForeignKey("adapters.id", ondelete="RESTRICT"), index=True)
    config: Mapped[dict[str, object]]
    feedback: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
    gate: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
    canary: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
    history: Mapped[list[list[str]]] = mapped_column(JSON)  # a state and its moment (ISO 8601, UTC) each, in order
    reason: Mapped[str | None] = mapped_column(Text)
    is_cancel_wanted: Mapped[bool]
    room: Mapped[str | None] = mapped_column(String(16))
    host: Mapped[str | None] = mapped_column(Text)
    process_id: Mapped[int | None]
    heartbeat_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class PromotionRow(Row):
    """One change of what serves; append-only. `adapter_id` is None where the base alone serves from then on."""

    __tablename__ = "promotions"
    __table_args__ = (Index(None, "base_model", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)  # counts up: the order of promotions
    base_model: Mapped[str] = mapped_column(Text)
    adapter_id: Mapped[Identifier | None] = mapped_column(ForeignKey("adapters.id", ondelete="RESTRICT"), index=True)
    cycle_id: Mapped[Identifier | None] = mapped_column(ForeignKey("cycles.id", ondelete="SET NULL"), index=True)
    user_id: Mapped[Identifier | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    reason: Mapped[PromotionReason] = mapped_column(enum_column(PromotionReason, "reason"))
    promoted_at: Mapped[datetime]


class CycleMessageRow(Row):
    """One chat message about a cycle; `key` is the logical message, so that it is written once.

    `shown` is the mark of what it shows now, None before it shows anything; `user_id` who asked for it, if somebody.
    """

    __tablename__ = "cycle_messages"
    __table_args__ = (UniqueConstraint("platform", "key"), Index(None, "state", "next_attempt_at"))

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    cycle_id: Mapped[Identifier] = mapped_column(ForeignKey("cycles.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[Identifier | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    platform: Mapped[Platform] = mapped_column(enum_column(Platform, "platform"))
    key: Mapped[ExternalId]
    kind: Mapped[CycleMessageKind] = mapped_column(enum_column(CycleMessageKind, "kind"))
    destination: Mapped[dict[str, object]]  # what the gateway needs to address it
    shown: Mapped[str | None] = mapped_column(Text)
    state: Mapped[OutboxState] = mapped_column(enum_column(OutboxState, "state"))
    attempts: Mapped[int]  # that failed, since the last one that did not
    next_attempt_at: Mapped[datetime]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
