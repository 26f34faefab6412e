"""The fake Discord: one server on loopback for REST and the gateway, around one world.

Start it, build a world, do what people do, look at what they see:

    async with FakeDiscord() as discord:
        guild = discord.add_guild("Snow club")
        here = discord.add_user("alice").at(guild.add_channel("prompts"))
        # start the bot with discord.api_base, discord.gateway_url and discord.token
        await discord.wait_until_connected()
        asked = await here.slash("mjprompt", idea="a castle in snow")
        await discord.wait_for(lambda: "castle" in asked.response.text)
        await here.click(asked.response, "👍 0")

Leaving the context fails the test when the bot broke a rule.
"""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.fakes.clock import VirtualClock
from tests.fakes.discord.commands import Commands
from tests.fakes.discord.faults import Fault, Faults
from tests.fakes.discord.gateway import Gateway, Stats
from tests.fakes.discord.interactions import Interaction, Interactions
from tests.fakes.discord.messages import Message
from tests.fakes.discord.people import Place
from tests.fakes.discord.posting import Posting
from tests.fakes.discord.rest import API_PATH, RecordedCall, RestApi
from tests.fakes.discord.routes_account import AccountRoutes
from tests.fakes.discord.routes_channels import ChannelRoutes
from tests.fakes.discord.routes_interactions import InteractionRoutes
from tests.fakes.discord.world import Channel, Guild, User, World
from tests.fakes.patience import acknowledgement_seconds

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GfakeD.iscordTokenOfTheFakeServerOnLoopback"
GATEWAY_PATH = "/gateway/"
POLL_SECONDS = 0.005


class FakeDiscord:
    """A strict Discord for one bot.

    `violations` says what the bot did that no correct bot does. `expected_violations` holds parts of those that a test
    provokes; any other one fails the test. With `keep_history=False` only the newest messages, calls and interactions
    are kept, for long runs.
    """

    def __init__(
        self,
        *,
        clock: VirtualClock | None = None,
        num_shards: int = 1,
        keep_history: bool = True,
        token: str = TOKEN,
        acknowledge_within_seconds: float | None = None,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.token = token
        self.faults = Faults()
        self.violations: list[str] = []
        self.expected_violations: tuple[str, ...] = ()
        self.world = World(self.clock, self._go, keep_history=keep_history)
        self.commands = Commands(self.world.ids, self.world.bot.id)
        self.interactions = Interactions(
            self.world,
            self._missed,
            acknowledge_within_seconds=acknowledge_within_seconds or acknowledgement_seconds(),
            keep_history=keep_history,
        )
        self.gateway = Gateway(self.world, self.token, num_shards, self._violate)
        self.world.tell = self.gateway.tell
        self._account = AccountRoutes(self.world, self.commands, num_shards)
        self._rest = RestApi(self.token, self.faults, self._violate, keep_history=keep_history)
        posting = Posting(self.world, self._violate)
        self._rest.routes = [
            *InteractionRoutes(self.interactions, posting).routes(),
            *ChannelRoutes(posting).routes(),
            *self._account.routes(),
        ]
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def api_base(self) -> str:
        """The address for DISCORD_API_BASE."""
        return f"http://127.0.0.1:{self._port}{API_PATH}"

    @property
    def gateway_url(self) -> str:
        """The address for DISCORD_GATEWAY_URL."""
        return f"ws://127.0.0.1:{self._port}{GATEWAY_PATH}"

    @property
    def application_id(self) -> str:
        return self.world.bot.id

    @property
    def stats(self) -> Stats:
        """How often the bot identified, resumed and so on."""
        return self.gateway.stats

    @property
    def requests(self) -> list[RecordedCall]:
        """The REST calls, oldest first."""
        return list(self._rest.calls)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/gateway{tail:/?}", self.gateway.serve)
        app.router.add_route("*", API_PATH + "/{path:.*}", self._rest.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.gateway.url = self._account.gateway_url = self.gateway_url
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for interaction in self.interactions:
            interaction.forget()
        await self.gateway.close()
        assert self._runner is not None
        await self._runner.cleanup()
        if error is None:
            self._check_violations()

    def add_guild(self, name: str, *, is_bot_member: bool = True, locale: str = "en-US") -> Guild:
        """Add a server; a connected bot is told when it is a member."""
        return self.world.add_guild(name, is_bot_member=is_bot_member, locale=locale)

    def add_user(self, name: str, *, locale: str = "en-US") -> User:
        """Add somebody with an account."""
        return self.world.add_user(name, locale=locale)

    def direct_messages(self, user: User) -> list[Message]:
        """Return the messages between `user` and the bot, oldest first."""
        return self.world.open_direct(user).messages

    def delete(self, message: Message) -> None:
        """Let a moderator delete a message."""
        message.is_deleted = True

    def rate_limit(
        self,
        path_fragment: str,
        *,
        method: str | None = None,
        retry_after_seconds: float = 0.05,
        is_global: bool = False,
        times: int = 1,
    ) -> Fault:
        """Answer 429 to the next `times` calls whose path holds `path_fragment`."""
        return self.faults.limit_rate(
            path_fragment, method=method, retry_after_seconds=retry_after_seconds, is_global=is_global, times=times
        )

    def replay(self, interaction: Interaction) -> None:
        """Tell the bot the same interaction once more."""
        self.interactions.replay(interaction)

    async def drop_connections(self, *, code: int = 4000) -> None:
        """Close the gateway's connections; a bot can resume."""
        await self.gateway.drop(code)

    async def send_reconnect(self) -> None:
        """Ask the bot to reconnect."""
        await self.gateway.ask_to_reconnect()

    async def invalidate_sessions(self, *, is_resumable: bool = False) -> None:
        """Tell the bot that its sessions are over, or only interrupted."""
        await self.gateway.invalidate(is_resumable=is_resumable)

    async def wait_until_connected(self, *, timeout_seconds: float = 10.0) -> None:
        """Wait until a bot has a session; after a restart, wait for `stats.identifies` to grow instead."""
        await self.wait_for(
            lambda: self.gateway.num_connected > 0, timeout_seconds=timeout_seconds, what="a connected bot"
        )

    async def wait_for(
        self, predicate: Callable[[], object], *, timeout_seconds: float = 20.0, what: str = "what the test waits for"
    ) -> None:
        """Wait until `predicate` returns something true.

        Raises:
            AssertionError: it did not happen in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while not predicate():
            if time.monotonic() > deadline:
                raise AssertionError(f"No {what} within {timeout_seconds} s. Violations so far: {self.violations}")
            await asyncio.sleep(POLL_SECONDS)

    def unexpected_violations(self) -> list[str]:
        """Return the violations that the test did not provoke."""
        return [each for each in self.violations if not any(part in each for part in self.expected_violations)]

    def _check_violations(self) -> None:
        unexpected = self.unexpected_violations()
        if unexpected:
            raise AssertionError("The bot broke rules of Discord:\n" + "\n".join(unexpected))

    def _go(self, user: User, channel: Channel) -> Place:
        return Place(user, channel, self.commands, self.interactions)

    def _violate(self, what: str) -> None:
        self.violations.append(what)

    def _missed(self, interaction: Interaction) -> None:
        self._violate(
            f"{interaction.kind.name} {interaction.data.get('name') or interaction.data.get('custom_id')}: "
            f"not acknowledged within {interaction.acknowledge_within_seconds:g} s"
        )
