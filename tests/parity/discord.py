"""Discord as people use it: its client's own acts against the strict fake, with the real bot behind it."""

import itertools
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bot.delivery import Delivery
from bot.discord.start import DiscordChat
from core.records import Platform, WorkspaceSettings
from storage.outbox import Outbox
from tests.fakes.discord.components import buttons_of
from tests.fakes.discord.errors import NotPossible
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.messages import Message
from tests.fakes.discord.people import Place
from tests.fakes.discord.permissions import EVERYONE, Permission
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.discord.world import Channel, Guild, User
from tests.parity.background import running
from tests.parity.chat import ChatPerson
from tests.parity.protocol import Person, Refused, Wish
from tests.parity.reading import Button, Seen
from tests.parity.stage import Core, Stage, running_core
from tests.parity.waiting import until

FENCED = re.compile(r"```\n(.*?)\n```", re.DOTALL)
ESCAPED = re.compile(r"\\([\\*_~|`>#\-+\[\]()<!:])")
UNSET = "-"


class DiscordPerson(ChatPerson):
    """Somebody in a channel of a server."""

    def __init__(self, stage: "DiscordStage", place: Place) -> None:
        super().__init__(stage)
        self._discord = stage.discord
        self._place = place
        self._done: list[Interaction] = []
        self.user = place.user
        self.external_id = place.user.id

    def sees(self) -> Sequence[Seen]:
        return [_seen(message) for message in self._place.sees() if not message.is_loading]

    async def types(self, command: str, **options: object) -> None:
        given = {name: value for name, value in options.items() if value is not None}
        try:
            self._done.append(await self._place.slash(command, **given))
        except NotPossible as error:
            raise Refused(str(error)) from error

    async def clicks(self, seen: Seen, button_id: str) -> None:
        self._done.append(await self._place.click(seen.raw, button_id))

    async def sends_form(self, **answers: object) -> None:
        opened = self._done[-1]
        await until(lambda: opened.modal is not None, "form")
        try:
            self._done.append(await self._place.submit(opened, answers))
        except NotPossible as error:
            raise Refused(str(error)) from error

    async def sends_idea(self, idea: str, wish: Wish) -> None:
        await self.types(
            "mjprompt",
            idea=idea,
            ar=wish.aspect_ratio,
            style=wish.style,
            version=wish.version,
            count=wish.count,
            private=wish.is_private,
        )

    async def changes_settings(self, settings: WorkspaceSettings) -> None:
        self._listens()
        await self.types(
            "settings",
            version=settings.midjourney_version or UNSET,
            ar=settings.aspect_ratio or UNSET,
            private=settings.is_private,
            quota=settings.max_requests_per_day or 0,
            language=settings.language or UNSET,
        )
        panel = await until(self._new_panel, "panel")
        saved = [self._catalogs.text(language, "settings.saved") for language in self._catalogs.languages]
        if not any(text in panel.text for text in saved):
            raise Refused(panel.text)

    async def repeats(self, *, acts_ago: int = 0) -> None:
        again = self._done[-1 - acts_ago]
        path = f"/interactions/{again.id}/"
        before = self._num_answered(path)
        self._discord.replay(again)
        await until(lambda: self._num_answered(path) > before, "second acknowledgement")

    def _num_answered(self, path: str) -> int:
        return sum(call.path.startswith(path) and call.status is not None for call in self._discord.requests)

    async def _clicks_forged(self, button_id: str) -> None:
        own = next(message for message in self._place.sees() if message.buttons)
        self._done.append(await self._place.click_forged(own, button_id))

    async def _confirms_forgetting(self) -> None:
        label = self._text("privacy.delete_yes")
        question = await until(lambda: self._labelled(label), "question before deleting")
        await self._clicks_label(question, "privacy.delete_yes")

    async def _decides(self, command: str, **options: object) -> str:
        self._listens()
        await self.types(command, **options)
        panel = await until(self._new_panel, "panel")
        if not panel.buttons:
            raise Refused(panel.text)
        done = await self._acts(
            lambda: self._clicks_label(panel, "model.confirm"), lambda: self._changed(panel.id, panel.text)
        )
        return done.text

    def _labelled(self, label: str) -> Seen | None:
        found = [seen for seen in self.sees() if any(button.label == label for button in seen.buttons)]
        return found[-1] if found else None

    def _exported(self) -> str | None:
        files = [message.files for message in self._place.sees() if message.files]
        return files[-1]["mjprompt-export.json"].decode() if files else None


class DiscordStage(Stage):
    """One server; each scene is a channel of it."""

    platform = Platform.DISCORD

    def __init__(self, core: Core, discord: FakeDiscord, operator: User) -> None:
        super().__init__(core)
        self.discord = discord
        self._operator = operator
        self._names = itertools.count(1)
        self._guild: Guild | None = None
        self._channel: Channel | None = None

    @property
    def channel(self) -> Channel:
        """The scene's place."""
        assert self._channel is not None
        return self._channel

    def newcomer(self, *, is_admin: bool = False) -> Person:
        user = self.discord.add_user(f"person {next(self._names)}")
        return self._enters(user, is_admin=is_admin)

    def operator(self) -> Person:
        return self._enters(self._operator, is_admin=True)

    async def open_scene(self) -> None:
        number = next(self._names)
        self._guild = self.discord.add_guild(f"server {number}")
        self._channel = self._guild.add_channel(f"prompts-{number}")

    async def close_scene(self) -> None:
        self.worker.resume()
        self.discord.faults.clear()
        violations = self.discord.unexpected_violations()
        self.discord.violations.clear()
        assert not violations, f"The bot broke rules of Discord: {violations}"

    def _enters(self, user: User, *, is_admin: bool) -> DiscordPerson:
        assert self._guild is not None
        self._guild.add_member(user, permissions=EVERYONE | Permission.MANAGE_GUILD if is_admin else EVERYONE)
        return DiscordPerson(self, user.at(self.channel))


@asynccontextmanager
async def discord_stage(empty: Path, folder: Path) -> AsyncIterator[Stage]:
    """Run the bot against a Discord of our own until left."""
    async with FakeDiscord() as discord:
        operator = discord.add_user("operator")
        settings = {
            "discord_token": discord.token,
            "discord_api_base": discord.api_base,
            "discord_gateway_url": discord.gateway_url,
            "operator_ids": f"discord:{operator.id}",
        }
        async with running_core(empty, folder, **settings) as core:
            chat = DiscordChat(core.services, core.settings)
            await chat.start()
            try:
                delivery = Delivery(Outbox(core.database), core.services, [chat.gateway], core.database)
                async with running(delivery.run()):
                    yield DiscordStage(core, discord, operator)
            finally:
                await chat.close()


def _seen(message: Message) -> Seen:
    shown = [
        Button(label=button.label, id=button.custom_id or "", is_enabled=not button.is_disabled)
        for button in buttons_of(message.components)
    ]
    return Seen(
        id=message.id,
        text=ESCAPED.sub(r"\1", message.text).replace("@\u200b", "@"),
        prompts=tuple(FENCED.findall(message.text)),
        buttons=tuple(shown),
        is_private=message.viewer is not None,
        raw=message,
    )
