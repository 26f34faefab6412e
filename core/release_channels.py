"""Where a promotion is told to everybody: `RELEASE_NOTES` read into channels of chat platforms.

A channel is named by platform and id, on Slack with its workspace in front, because ids there are a workspace's own.
"""

from dataclasses import dataclass

from core.records import Platform

_EXAMPLE = "write discord:CHANNEL or slack:TEAM:CHANNEL, such as discord:123456789 or slack:T0123:C0456"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChannel:
    """One channel; `workspace_id` is None where the platform's channels have ids of their own."""

    platform: Platform
    channel_id: str
    workspace_id: str | None = None


def read_release_channels(text: str) -> tuple[ReleaseChannel, ...]:
    """Return the channels that a comma list names, each once; an empty list names none.

    Raises:
        ValueError: an entry names no channel; the message says which one and what to write.
    """
    entries = (entry.strip() for entry in text.split(","))
    return tuple(dict.fromkeys(_read_channel(entry) for entry in entries if entry))


def _read_channel(entry: str) -> ReleaseChannel:
    match entry.split(":"):
        case ["discord", channel_id] if channel_id.isascii() and channel_id.isdigit():
            return ReleaseChannel(platform=Platform.DISCORD, channel_id=channel_id)
        case ["slack", team_id, channel_id] if _is_slack_id(team_id) and _is_slack_id(channel_id):
            return ReleaseChannel(platform=Platform.SLACK, channel_id=channel_id, workspace_id=team_id)
        case _:
            raise ValueError(f"{entry!r} names no channel; {_EXAMPLE}")


def _is_slack_id(text: str) -> bool:
    return text.isascii() and text.isalnum() and text == text.upper() and len(text) <= 32
