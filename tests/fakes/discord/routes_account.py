"""Routes about the bot itself: who it is, where the gateway is, its commands, its direct messages."""

from typing import Any

from tests.fakes.discord import payloads
from tests.fakes.discord.commands import Commands
from tests.fakes.discord.errors import unknown_guild, unknown_user
from tests.fakes.discord.rest import Call, Route
from tests.fakes.discord.world import User, World


class AccountRoutes:
    """What a bot asks when it starts; `gateway_url` is set once the server listens."""

    def __init__(self, world: World, commands: Commands, num_shards: int) -> None:
        self.gateway_url = ""
        self._world = world
        self._commands = commands
        self._num_shards = num_shards

    def routes(self) -> list[Route]:
        application = f"/applications/{self._world.bot.id}"
        return [
            Route("GET", "/users/@me", self._me),
            Route("GET", "/oauth2/applications/@me", self._application),
            Route("GET", "/gateway/bot", self._gateway),
            Route("POST", "/users/@me/channels", self._open_direct),
            Route("GET", "/users/{user}", self._user),
            Route("GET", f"{application}/commands", self._get_commands),
            Route("PUT", f"{application}/commands", self._put_commands),
            Route("GET", f"{application}/guilds/{{guild}}/commands", self._get_commands),
            Route("PUT", f"{application}/guilds/{{guild}}/commands", self._put_commands),
        ]

    async def _me(self, call: Call) -> tuple[int, Any]:
        return 200, payloads.user(self._world.bot)

    async def _application(self, call: Call) -> tuple[int, Any]:
        bot = self._world.bot
        return 200, {
            "id": bot.id,
            "name": bot.name,
            "icon": None,
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "flags": 0,
            "owner": {"id": "1", "username": "owner", "discriminator": "0", "avatar": None},
            "team": None,
        }

    async def _gateway(self, call: Call) -> tuple[int, Any]:
        limit = {"total": 1_000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
        return 200, {"url": self.gateway_url, "shards": self._num_shards, "session_start_limit": limit}

    async def _open_direct(self, call: Call) -> tuple[int, Any]:
        return 200, payloads.channel(self._world.open_direct(self._find_user(str(call.body.get("recipient_id")))))

    async def _user(self, call: Call) -> tuple[int, Any]:
        return 200, payloads.user(self._find_user(call.names["user"]))

    async def _get_commands(self, call: Call) -> tuple[int, Any]:
        return 200, self._commands.of(self._guild_id(call))

    async def _put_commands(self, call: Call) -> tuple[int, Any]:
        return 200, self._commands.register(self._guild_id(call), call.body)

    def _guild_id(self, call: Call) -> str | None:
        guild_id = call.names.get("guild")
        if guild_id is not None and guild_id not in self._world.guilds:
            raise unknown_guild()
        return guild_id

    def _find_user(self, user_id: str) -> User:
        user = self._world.users.get(user_id)
        if user is None:
            raise unknown_user()
        return user
