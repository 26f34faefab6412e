"""The crowd on the fake Slack, with the bot in Socket Mode."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from benchmarks.chat_stages import NUM_CHANNELS, UP, Shown, Stage
from core.records import Platform
from tests.fakes.slack.deliveries import Delivery
from tests.fakes.slack.server import FakeSlack


@dataclass(frozen=True, slots=True)
class SlackAct:
    """One delivery."""

    slack: FakeSlack
    delivery: Delivery

    @property
    def seconds(self) -> float | None:
        return self.delivery.acked_after_seconds

    async def replay(self) -> None:
        await self.slack.replay(self.delivery, wait=False)


class SlackStage(Stage):
    """One workspace with the app and everybody in it."""

    platform = Platform.SLACK
    label = "Slack"
    cuts = ("close", "cut without a close", "disconnect message")

    def __init__(self, num_people: int, *, keep_history: bool) -> None:
        del keep_history  # this fake is always bounded
        self._slack = FakeSlack()
        self._num_people = num_people

    async def __aenter__(self) -> Self:
        await self._slack.__aenter__()
        self._slack.enforce_rate_limits = True
        self._team = self._slack.add_team("Snow club")
        self._channels = [self._team.add_channel(f"prompts-{n}") for n in range(NUM_CHANNELS)]
        self._people = [self._team.add_user(f"person{n}") for n in range(self._num_people)]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._slack.violations.clear()  # a benchmark reports them
        await self._slack.__aexit__(None, None, None)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "SLACK_BOT_TOKEN": str(self._team.bot_token),
            "SLACK_APP_TOKEN": self._slack.app_token,
            "SLACK_API_BASE": self._slack.api_base,
        }

    def external_id(self, person: int) -> str:
        return f"{self._team.id}:{self._people[person].id}"

    async def ask(self, person: int, idea: str) -> SlackAct:
        place = self._people[person].at(self._channels[person % NUM_CHANNELS])
        return SlackAct(self._slack, await place.slash("/mjprompt", idea))

    async def look_back(self, person: int) -> SlackAct:
        place = self._people[person].at(self._channels[person % NUM_CHANNELS])
        return SlackAct(self._slack, await place.slash("/history"))

    async def press(self, person: int, shown: Shown, mark: str) -> SlackAct:
        return SlackAct(self._slack, await self._people[person].click(shown.message, mark))

    def answers(self) -> list[Shown]:
        every = [
            Shown(text=message.text, marks=tuple(mark for _, mark, _ in message.buttons), message=message)
            for channel in self._channels
            for message in channel.messages
        ]
        return [shown for shown in every if any(mark.startswith(UP) for mark in shown.marks)]

    def labels(self, shown: Shown) -> dict[str, str]:
        return {mark: label for label, mark, _ in shown.message.buttons}

    def num_edits(self, shown: Shown) -> int:
        return int(shown.message.num_edits)

    async def cut(self, how: str) -> None:
        match how:
            case "close":
                await self._slack.drop_connections()
            case "cut without a close":
                await self._slack.drop_connections(abruptly=True)
            case _:
                await self._slack.disconnect()

    def num_sessions(self) -> int:
        return self._slack.sockets.num_connected

    @property
    def violations(self) -> list[str]:
        return self._slack.violations
