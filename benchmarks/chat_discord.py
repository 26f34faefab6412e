"""The crowd on the fake Discord."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from benchmarks.chat_stages import NUM_CHANNELS, UP, Shown, Stage
from core.records import Platform
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.server import FakeDiscord


@dataclass(frozen=True, slots=True)
class DiscordAct:
    """One interaction."""

    discord: FakeDiscord
    interaction: Interaction

    @property
    def seconds(self) -> float | None:
        return self.interaction.acked_after_seconds

    async def replay(self) -> None:
        self.discord.replay(self.interaction)


class DiscordStage(Stage):
    """One server with the bot and everybody in it."""

    platform = Platform.DISCORD
    label = "Discord"
    cuts = ("close 4000", "reconnect", "invalid session, resumable", "invalid session")

    def __init__(self, num_people: int, *, keep_history: bool) -> None:
        self._discord = FakeDiscord(keep_history=keep_history)
        guild = self._discord.add_guild("Snow club")
        self._channels = [guild.add_channel(f"prompts-{n}") for n in range(NUM_CHANNELS)]
        self._people = [self._discord.add_user(f"person{n}") for n in range(num_people)]

    async def __aenter__(self) -> Self:
        await self._discord.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._discord.expected_violations = ("",)  # a benchmark reports them
        await self._discord.__aexit__(None, None, None)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "DISCORD_TOKEN": self._discord.token,
            "DISCORD_API_BASE": self._discord.api_base,
            "DISCORD_GATEWAY_URL": self._discord.gateway_url,
        }

    def external_id(self, person: int) -> str:
        return self._people[person].id

    async def ask(self, person: int, idea: str) -> DiscordAct:
        place = self._people[person].at(self._channels[person % NUM_CHANNELS])
        return DiscordAct(self._discord, await place.slash("mjprompt", idea=idea))

    async def look_back(self, person: int) -> DiscordAct:
        place = self._people[person].at(self._channels[person % NUM_CHANNELS])
        return DiscordAct(self._discord, await place.slash("history"))

    async def press(self, person: int, shown: Shown, mark: str) -> DiscordAct:
        place = self._people[person].at(shown.message.channel)
        return DiscordAct(self._discord, await place.click(shown.message, mark))

    def answers(self) -> list[Shown]:
        every = [
            Shown(
                text=message.text,
                marks=tuple(custom_id for _, custom_id in message.buttons if custom_id),
                message=message,
            )
            for message in self._discord.world.messages
            if message.viewer is None and not message.is_deleted
        ]
        return [shown for shown in every if any(mark.startswith(UP) for mark in shown.marks)]

    def labels(self, shown: Shown) -> dict[str, str]:
        return {mark: label for label, mark in shown.message.buttons if mark}

    def num_edits(self, shown: Shown) -> int:
        return int(shown.message.edits)

    async def cut(self, how: str) -> None:
        match how:
            case "close 4000":
                await self._discord.drop_connections(code=4000)
            case "reconnect":
                await self._discord.send_reconnect()
            case _:
                await self._discord.invalidate_sessions(is_resumable="resumable" in how)

    def num_sessions(self) -> int:
        return self._discord.stats.identifies + self._discord.stats.resumes

    @property
    def violations(self) -> list[str]:
        return self._discord.violations
