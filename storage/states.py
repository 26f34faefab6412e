"""States of rows that do not cross package borders; those that do are in core/records.py."""

from enum import StrEnum


class OutboxState(StrEnum):
    """One meaning a state of a chat message on its way out."""

    PENDING = "pending"  # to be sent at `next_attempt_at`
    SENT = "sent"  # the platform accepted it
    FAILED = "failed"  # given up after the last attempt; `error` says why


class AdapterState(StrEnum):
    """One meaning a state of LoRA weights; at most one adapter of a base model is active."""

    CANDIDATE = "candidate"  # trained, not yet measured by the gate
    CANARY = "canary"  # answers a small share of the requests
    ACTIVE = "active"  # answers the requests
    RETIRED = "retired"  # was active, replaced by a newer one
    REJECTED = "rejected"  # did not pass the gate


class PromotionReason(StrEnum):
    """One meaning a reason why another adapter, or the base alone, began to serve."""

    CANARY = "canary"  # people liked its prompts better
    OPERATOR = "operator"  # an operator named it
    ROLLBACK = "rollback"  # it served before, and what came after was taken back
    FORGOTTEN = "forgotten"  # what served had learned from somebody who is forgotten


class CycleMessageKind(StrEnum):
    """One meaning a kind of chat message about a cycle of learning."""

    LIVE = "live"  # edited for as long as the cycle goes on
    NOTE = "note"  # says once that a new adapter serves
