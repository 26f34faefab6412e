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
