"""The stages by the names that the command lines take."""

from collections.abc import Mapping

from benchmarks.chat_discord import DiscordStage
from benchmarks.chat_slack import SlackStage

STAGES: Mapping[str, type[DiscordStage] | type[SlackStage]] = {"discord": DiscordStage, "slack": SlackStage}
