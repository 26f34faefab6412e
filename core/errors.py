"""Every error that the product raises on purpose.

    MjpromptError
    ├── UserError                what a person typed cannot be taken; safe to show, never logged as a fault
    │   ├── InvalidIdea          the idea itself: empty, too long, unreadable characters
    │   ├── InvalidParameter     a Midjourney parameter: unknown, out of range, in conflict
    │   ├── InvalidBody          a web body: not JSON, a missing or ill-typed field, too large
    │   ├── NotFound             no such request or candidate, or not this person's
    │   │   └── ForeignId        it is there, but not for this person; says the same as NotFound
    │   ├── NotAllowed           the person may not do this
    │   ├── NotPossible          what was asked for cannot be done as things are; the message says what to change
    │   └── TooManyRequests      a quota or the queue's limit is reached
    ├── TransientError           the same call may succeed later
    │   ├── StorageBusy          the database is locked by somebody else
    │   ├── HubUnreachable       the model hub cannot be reached
    │   ├── OutOfMemory          the device's memory ran out during decoding
    │   ├── PlatformBusy         a chat platform asks to wait, or cannot be reached
    │   ├── TrainingBusy         another training run is going on
    │   └── ModelCrashed         the model fails again and again in this process; a fresh one may not
    └── PermanentError           somebody has to change something first
        ├── StorageError         read-only or full disk, damaged file, wrong revision
        ├── ModelError           model folder missing, unknown or gated id, not really 4-bit, unsafe adapter
        ├── RequestFailed        one request cannot be decoded; the model is sound, and trying again changes nothing
        ├── NotEnoughMemory      the model cannot fit; says how much it needs and what to set instead
        ├── AddressGone          a chat message cannot be reached there (any more); another address may do
        ├── TrainingFailed       a training run cannot go on: diverged, no GPU, full disk, nothing to resume
        ├── ConfigError          an unknown key or an impossible value in settings or a TOML file
        ├── InvalidData          training data that cannot be learned from: empty, unreadable, without the columns
        └── AddressInUse         the web chat's port is taken

A message is one sentence that says what was wrong, the value, and the cure. It does not know who reads it: each
front end decides how to show it.
"""


class MjpromptError(Exception):
    """Base of all of the product's own errors."""


class UserError(MjpromptError):
    """Say to a person what to type instead; the message is safe to show."""


class InvalidIdea(UserError):
    """The idea is empty, too long or holds characters that cannot be taken."""


class InvalidParameter(UserError):
    """A Midjourney parameter is unknown, out of range or in conflict with another."""


class InvalidBody(UserError):
    """A web request's body cannot be read."""


class NotFound(UserError):
    """There is no such thing, or it belongs to somebody else."""


class ForeignId(NotFound):
    """The thing is there, but not for this person; they are told no more than of one that is not there."""


class NotAllowed(UserError):
    """The person may not do this."""


class NotPossible(UserError):
    """What was asked for cannot be done as things are."""


class TooManyRequests(UserError):
    """A person's quota or the queue's limit is reached."""


class TransientError(MjpromptError):
    """The same call may succeed later without any change."""


class StorageBusy(TransientError):
    """The database stayed locked for longer than the busy timeout."""


class HubUnreachable(TransientError):
    """The model hub cannot be reached."""


class OutOfMemory(TransientError):
    """The device's memory ran out; a smaller batch may fit."""


class PlatformBusy(TransientError):
    """A chat platform asks to wait `retry_after_seconds`, or cannot be reached."""

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ModelCrashed(TransientError):
    """The model failed several times in a row; a fresh process may do better."""


class TrainingBusy(TransientError):
    """Another training run is going on; one may at a time."""


class PermanentError(MjpromptError):
    """Trying again changes nothing until somebody acts."""


class StorageError(PermanentError):
    """The database cannot be used: read-only, full disk, damaged, or at another revision."""


class ModelError(PermanentError):
    """The model or adapter cannot be loaded as asked."""


class RequestFailed(PermanentError):
    """One request cannot be decoded; others can, and trying again changes nothing."""


class NotEnoughMemory(PermanentError):
    """The model cannot fit into the memory that is free."""


class AddressGone(PermanentError):
    """A chat message's address is expired, deleted or out of reach."""


class TrainingFailed(PermanentError):
    """A training run cannot start or go on; what it had saved last is kept."""


class ConfigError(PermanentError):
    """A setting or a configuration file holds something impossible."""


class InvalidData(PermanentError):
    """Training data cannot be learned from: empty, unreadable, damaged, or without the columns that were named."""


class AddressInUse(PermanentError):
    """The web chat's address is taken by another program."""
