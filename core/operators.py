"""Who may act on the shared model: `OPERATOR_IDS` read into a set of people.

An operator is named by platform and user id, never by a role: anybody is an admin of a server that they own.
"""

from core.records import Identity, Platform

Operator = tuple[Platform, str]

_EXAMPLE = "write platform:user-id, such as discord:123456789, slack:T0123:U0456 or web:VISITOR"


def read_operators(text: str) -> frozenset[Operator]:
    """Return the people that a comma list names; an empty list names nobody.

    Raises:
        ValueError: an entry names no platform or no user; the message says which one and what to write.
    """
    entries = (entry.strip() for entry in text.split(","))
    return frozenset(_read_operator(entry) for entry in entries if entry)


def is_listed(operators: frozenset[Operator], identity: Identity) -> bool:
    """Tell whether exactly this person on exactly this platform is among the operators."""
    return (identity.platform, identity.external_id) in operators


def _read_operator(entry: str) -> Operator:
    name, _, external_id = entry.partition(":")
    external_id = external_id.strip()
    if name.strip() not in {platform.value for platform in Platform} or not external_id:
        raise ValueError(f"{entry!r} names no operator; {_EXAMPLE}")
    platform = Platform(name.strip())
    if platform is Platform.DISCORD and not (external_id.isascii() and external_id.isdigit()):
        raise ValueError(f"{entry!r} is no Discord user id, which has only digits; {_EXAMPLE}")
    if platform is Platform.SLACK and not all(external_id.partition(":")):
        raise ValueError(f"{entry!r} lacks the workspace or the user of a Slack operator; {_EXAMPLE}")
    return platform, external_id
