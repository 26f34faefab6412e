"""Slack as people use it: its client's own acts against the strict fake, with the real app behind it."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.delivery import Delivery
from bot.slack.start import SlackChat
from core.records import Identity, Platform, WorkspaceSettings
from storage.outbox import Outbox
from tests.fakes.slack.deliveries import Delivery as Sent
from tests.fakes.slack.messages import Message
from tests.fakes.slack.people import Person as SlackUser
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.views import View
from tests.fakes.slack.workspaces import Channel, Team
from tests.parity.background import running
from tests.parity.chat import ChatPerson
from tests.parity.protocol import Person, Refused, Wish
from tests.parity.reading import Button, Seen
from tests.parity.stage import Core, Stage, running_core
from tests.parity.waiting import until

STYLES = {"raw": "--raw", "high": "--s 250"}
EVENTS_PATH = "/slack/events"


class SlackPerson(ChatPerson):
    """Somebody in a channel of a workspace, who also reads what the bot writes to them alone."""

    def __init__(self, stage: "SlackStage", user: SlackUser, channel: Channel) -> None:
        super().__init__(stage)
        self._slack = stage.slack
        self._user = user
        self._channel = channel
        self._done: list[Sent] = []
        self._views_before: frozenset[View] = frozenset()
        self.external_id = f"{user.team.id}:{user.id}"

    def sees(self) -> Sequence[Seen]:
        direct = self._user.team.direct_channel(self._user)
        return [_seen(message) for channel in (self._channel, direct) for message in channel.seen_by(self._user)]

    async def types(self, command: str, **options: object) -> None:
        self._views_before = frozenset(self._user.views)
        name, *words = command.split()
        text = " ".join([*words, *(str(value) for value in options.values())])
        self._done.append(await self._user.at(self._channel).slash(f"/{name}", text))

    async def clicks(self, seen: Seen, button_id: str) -> None:
        self._views_before = frozenset(self._user.views)
        self._done.append(await self._user.click(seen.raw, button_id))

    async def sends_form(self, **answers: object) -> None:
        view = await until(self._new_form, "form")
        self._done.append(await self._user.submit(view, answers))
        if view.errors:
            raise Refused("\n".join(view.errors.values()))

    async def sends_idea(self, idea: str, wish: Wish) -> None:
        flags = [
            f"--ar {wish.aspect_ratio}" if wish.aspect_ratio else "",
            STYLES[wish.style] if wish.style else "",
            f"--v {wish.version}" if wish.version else "",
            f"--count {wish.count}" if wish.count else "",
            "--private" if wish.is_private else "",
        ]
        await self.types("mjprompt", idea=" ".join([idea, *filter(None, flags)]))

    async def changes_settings(self, settings: WorkspaceSettings) -> None:
        await self._acts(lambda: self.types("settings"), self._new_form)
        answers = {
            "version": settings.midjourney_version,
            "aspect_ratio": settings.aspect_ratio,
            "private": "yes" if settings.is_private else "no",
            "quota": None if settings.max_requests_per_day is None else str(settings.max_requests_per_day),
            "language": settings.language,
        }
        await self.sends_form(**answers)

    async def repeats(self, *, acts_ago: int = 0) -> None:
        await self._slack.replay(self._done[-1 - acts_ago])

    async def _clicks_forged(self, button_id: str) -> None:
        own = next(seen for seen in self.sees() if seen.buttons)
        self._done.append(await self._user.click_forged(own.raw, button_id, button_id))

    async def _confirms_forgetting(self) -> None:
        await self.sends_form()

    async def _decides(self, command: str, **options: object) -> str:
        view = await self._acts(lambda: self.types(command, **options), self._new_form)
        await self.sends_form()
        return await until(lambda: None if view.fields or view.content.get("submit") else view.text, "what came of it")

    def _exported(self) -> str | None:
        title = self._text("privacy.export_ready")
        found = [seen for seen in self.sees() if seen.text.startswith(title)]
        return "".join(found[-1].prompts) if found else None

    def _new_form(self) -> View | None:
        return next((view for view in self._user.views if view not in self._views_before), None)


class SlackStage(Stage):
    """One workspace; each scene is a channel of it."""

    platform = Platform.SLACK

    def __init__(self, core: Core, slack: FakeSlack, team: Team, operator: SlackUser) -> None:
        super().__init__(core)
        self.slack = slack
        self._team = team
        self._operator = operator
        self._names = itertools.count(1)
        self._channel: Channel | None = None

    @property
    def channel(self) -> Channel:
        """The scene's place."""
        assert self._channel is not None
        return self._channel

    def newcomer(self, *, is_admin: bool = False) -> Person:
        return self._enters(self._team.add_user(f"person{next(self._names)}", is_admin=is_admin))

    def operator(self) -> Person:
        return self._enters(self._operator)

    async def open_scene(self) -> None:
        self._channel = self._team.add_channel(f"prompts-{next(self._names)}")

    async def close_scene(self) -> None:
        self.worker.resume()
        self.slack.faults.clear()
        owner = Identity(
            platform=self.platform, external_id=f"{self._team.id}:owner", workspace_external_id=self._team.id
        )
        unset = WorkspaceSettings()
        await self.services.administration.change_settings(owner, unset, is_workspace_admin=True)
        violations = list(self.slack.violations)
        self.slack.violations.clear()
        assert not violations, f"The bot broke rules of Slack: {violations}"

    def _enters(self, user: SlackUser) -> SlackPerson:
        user.views.clear()
        return SlackPerson(self, user, self.channel)


@asynccontextmanager
async def slack_stage(empty: Path, folder: Path) -> AsyncIterator[Stage]:
    """Run the app in Socket Mode against a Slack of our own until left."""
    async with (
        FakeSlack() as slack,
        _running_app(slack, empty, folder, slack_app_token=slack.app_token) as (stage, _),
    ):
        await slack.wait_until_connected()
        yield stage


@asynccontextmanager
async def slack_http_stage(empty: Path, folder: Path) -> AsyncIterator[SlackStage]:
    """Run the app in HTTP mode, which Slack sends signed requests to, until left."""
    async with FakeSlack() as slack:
        secret = {"slack_signing_secret": slack.signing_secret, "slack_port": 0}
        async with _running_app(slack, empty, folder, **secret) as (stage, chat):
            slack.transport, slack.request_url = "http", f"http://127.0.0.1:{chat.port}{EVENTS_PATH}"
            yield stage


@asynccontextmanager
async def _running_app(
    slack: FakeSlack, empty: Path, folder: Path, **mode: object
) -> AsyncIterator[tuple[SlackStage, SlackChat]]:
    team = slack.add_team("Snow club")
    operator = team.add_user("operator")
    settings = {
        "slack_bot_token": team.bot_token,
        "slack_api_base": slack.api_base,
        "operator_ids": f"slack:{team.id}:{operator.id}",
    }
    async with running_core(empty, folder, **settings, **mode) as core:
        chat = SlackChat(services=core.services, settings=core.settings, database=core.database)
        await chat.start()
        try:
            delivery = Delivery(Outbox(core.database), core.services, [chat.gateway], core.database)
            async with running(delivery.run()):
                yield SlackStage(core, slack, team, operator), chat
        finally:
            await chat.close()


def _seen(message: Message) -> Seen:
    return Seen(
        id=f"{message.channel.id}:{message.ts}",
        text=message.text,
        prompts=tuple(_preformatted(message.blocks)),
        buttons=tuple(Button(label=label, id=action_id) for label, action_id, _ in message.buttons),
        is_private=message.is_ephemeral or message.channel.is_direct,
        raw=message,
    )


def _preformatted(blocks: Sequence[Any]) -> list[str]:
    parts = [part for block in blocks if block["type"] == "rich_text" for part in block["elements"]]
    found = [part for part in parts if part["type"] == "rich_text_preformatted"]
    return ["".join(element.get("text", "") for element in part["elements"]) for part in found]
