"""Where a form was opened and what it is about, kept in the form itself as `private_metadata`.

What comes back is checked like anything from outside: who may do what with the target is looked up when it is sent.
"""

import json
from dataclasses import asdict, dataclass

from core.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The channel and message behind a form, and the candidate, request or adapter that it is about."""

    channel_id: str | None = None
    message_ts: str | None = None
    target: str | None = None


def written(origin: Origin) -> str:
    """Return the origin as `private_metadata`, far below its 3000 characters."""
    return json.dumps({name: value for name, value in asdict(origin).items() if value is not None})


def read_origin(text: str) -> Origin:
    """Read `private_metadata`.

    Raises:
        NotFound: it was not written by this version.
    """
    try:
        fields = json.loads(text or "{}")
        values = {name: fields.get(name) for name in ("channel_id", "message_ts", "target")}
    except (ValueError, AttributeError) as error:
        raise _unknown() from error
    if not all(value is None or isinstance(value, str) for value in values.values()):
        raise _unknown()
    return Origin(**values)


def target_of(origin: Origin | None) -> str:
    """Return what a form is about.

    Raises:
        NotFound: it does not say so.
    """
    if origin is None or origin.target is None:
        raise _unknown()
    return origin.target


def _unknown() -> NotFound:
    return NotFound("This form is from another version of the bot; open it again.")
