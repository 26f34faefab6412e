"""The gateway: WebSocket sessions that tell the bots what happens, and can be resumed.

Protocol: https://discord.com/developers/docs/events/gateway. Frames are sent as text; clients accept that whatever
compression they asked for.
"""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from tests.fakes.discord import payloads
from tests.fakes.discord.ids import TIMESTAMP_SHIFT
from tests.fakes.discord.world import World

HEARTBEAT_INTERVAL_MILLISECONDS = 41_250
MAX_BACKLOG = 2_000
CLOSE_TIMEOUT_SECONDS = 0.5
PRIVILEGED_INTENTS = 1 << 1 | 1 << 8 | 1 << 15  # GUILD_MEMBERS, GUILD_PRESENCES, MESSAGE_CONTENT


class Op(IntEnum):
    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    RESUME = 6
    RECONNECT = 7
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class CloseCode(IntEnum):
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SHARD = 4010
    DISALLOWED_INTENTS = 4014


@dataclass(kw_only=True)
class Stats:
    """How often the bots did what on the gateway."""

    connections: int = 0
    identifies: int = 0
    resumes: int = 0
    heartbeats: int = 0
    events: int = 0


class Session:
    """What one bot process is told; it outlives its connection, so that it can be resumed."""

    def __init__(self, session_id: str, shard: tuple[int, int]) -> None:
        self.id = session_id
        self.shard = shard
        self.socket: web.WebSocketResponse | None = None
        self._sequence = 0
        self._backlog: deque[tuple[int, str]] = deque(maxlen=MAX_BACKLOG)
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None

    def is_told(self, guild_id: str | None) -> bool:
        """Tell whether events of this guild belong to this shard; those without a guild belong to the first."""
        shard, num_shards = self.shard
        return (0 if guild_id is None else (int(guild_id) >> TIMESTAMP_SHIFT) % num_shards) == shard

    def push(self, name: str, data: Mapping[str, Any]) -> None:
        """Number an event, keep it for a resume, and send it if there is a connection."""
        self._sequence += 1
        frame = json.dumps({"op": Op.DISPATCH, "t": name, "s": self._sequence, "d": data})
        self._backlog.append((self._sequence, frame))
        if self.socket is not None:
            self._outgoing.put_nowait(frame)

    def missed_since(self, sequence: int) -> list[str] | None:
        """Return the frames after `sequence`; None when some of them are forgotten."""
        first_kept = self._backlog[0][0] if self._backlog else self._sequence + 1
        if sequence > self._sequence or sequence + 1 < first_kept:
            return None
        return [frame for number, frame in self._backlog if number > sequence]

    def connect(self, socket: web.WebSocketResponse, *, missed: list[str]) -> None:
        """Send everything to `socket` from now on, `missed` first."""
        self.disconnect()
        self.socket = socket
        self._outgoing = asyncio.Queue()
        for frame in missed:
            self._outgoing.put_nowait(frame)
        self._sender = asyncio.create_task(self._send(socket, self._outgoing))

    def disconnect(self) -> None:
        """Send nothing any more, only keep it."""
        self.socket = None
        if self._sender is not None:
            self._sender.cancel()

    async def send_control(self, frame: Mapping[str, Any]) -> None:
        """Send a frame that is no event."""
        if self.socket is not None:
            await self.socket.send_json(frame)

    @staticmethod
    async def _send(socket: web.WebSocketResponse, outgoing: "asyncio.Queue[str]") -> None:
        with suppress(ConnectionError):
            while not socket.closed:
                await socket.send_str(await outgoing.get())


class Gateway:
    """All sessions; `violate` is told what no correct bot does."""

    def __init__(self, world: World, token: str, num_shards: int, violate: Callable[[str], None]) -> None:
        self.stats = Stats()
        self.url = ""
        self._world = world
        self._token = token
        self._num_shards = num_shards
        self._violate = violate
        self._sessions: dict[str, Session] = {}

    @property
    def num_connected(self) -> int:
        """How many sessions have a connection."""
        return len(self._connected())

    def tell(self, name: str, data: Mapping[str, Any], guild_id: str | None) -> None:
        """Tell every session that this concerns; one without a connection hears it when it resumes."""
        self.stats.events += 1
        for session in self._sessions.values():
            if session.is_told(guild_id):
                session.push(name, data)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Hold one connection until it ends."""
        socket = web.WebSocketResponse(timeout=CLOSE_TIMEOUT_SECONDS)
        await socket.prepare(request)
        self.stats.connections += 1
        await socket.send_json({"op": Op.HELLO, "d": {"heartbeat_interval": HEARTBEAT_INTERVAL_MILLISECONDS}})
        session: Session | None = None
        try:
            async for frame in socket:
                if frame.type == WSMsgType.TEXT:
                    session = await self._answer(socket, session, json.loads(frame.data))
        finally:
            if session is not None and session.socket is socket:
                session.disconnect()
        return socket

    async def drop(self, code: int) -> None:
        """Close all connections with `code`; the sessions can be resumed."""
        for session in self._connected():
            socket = session.socket
            session.disconnect()
            if socket is not None:
                await socket.close(code=code)

    async def ask_to_reconnect(self) -> None:
        """Send RECONNECT on all connections."""
        for session in self._connected():
            await session.send_control({"op": Op.RECONNECT, "d": None})

    async def invalidate(self, *, is_resumable: bool) -> None:
        """Send INVALID_SESSION on all connections; unless they can be resumed, the sessions are gone."""
        for session in self._connected():
            if not is_resumable:
                del self._sessions[session.id]
            await session.send_control({"op": Op.INVALID_SESSION, "d": is_resumable})

    async def close(self) -> None:
        """End all connections for good."""
        await self.drop(WSCloseCode.GOING_AWAY)

    def _connected(self) -> list[Session]:
        return [session for session in self._sessions.values() if session.socket is not None]

    async def _answer(
        self, socket: web.WebSocketResponse, session: Session | None, frame: dict[str, Any]
    ) -> Session | None:
        """Answer one frame of a bot; return the session that the connection has from now on."""
        match frame["op"]:
            case Op.HEARTBEAT:
                self.stats.heartbeats += 1
                await socket.send_json({"op": Op.HEARTBEAT_ACK})
            case Op.IDENTIFY if session is not None:
                await socket.close(code=CloseCode.ALREADY_AUTHENTICATED)
            case Op.IDENTIFY:
                return await self._identify(socket, frame["d"])
            case Op.RESUME:
                return await self._resume(socket, frame["d"])
            case _ if session is None:
                await socket.close(code=CloseCode.NOT_AUTHENTICATED)
        return session

    async def _identify(self, socket: web.WebSocketResponse, data: Mapping[str, Any]) -> Session | None:
        self.stats.identifies += 1
        if await self._refuses(socket, data):
            return None
        session = Session(secrets.token_hex(16), tuple(data.get("shard", (0, 1))))
        gone = [old.id for old in self._sessions.values() if old.socket is None and old.shard == session.shard]
        for old_id in gone:
            del self._sessions[old_id]
        self._sessions[session.id] = session
        session.connect(socket, missed=[])
        self._welcome(session)
        return session

    async def _refuses(self, socket: web.WebSocketResponse, data: Mapping[str, Any]) -> bool:
        """Close the connection when the bot may not identify like this."""
        if data["token"] != self._token:
            self._violate("IDENTIFY with a wrong token")
            await socket.close(code=CloseCode.AUTHENTICATION_FAILED)
        elif data["intents"] & PRIVILEGED_INTENTS:
            self._violate(f"IDENTIFY with privileged intents: {data['intents']}")
            await socket.close(code=CloseCode.DISALLOWED_INTENTS)
        elif tuple(data.get("shard", (0, 1)))[1] != self._num_shards:
            self._violate(f"IDENTIFY with shard {data.get('shard')}, but there are {self._num_shards} shards")
            await socket.close(code=CloseCode.INVALID_SHARD)
        return socket.closed

    def _welcome(self, session: Session) -> None:
        guilds = [each for each in self._world.guilds.values() if each.is_bot_member and session.is_told(each.id)]
        bot = self._world.bot
        ready = {
            "v": 10,
            "user": payloads.user(bot),
            "guilds": [{"id": guild.id, "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "shard": list(session.shard),
            "application": {"id": bot.id, "flags": 0},
        }
        session.push("READY", ready)
        for guild in guilds:
            session.push("GUILD_CREATE", payloads.guild(guild, bot))

    async def _resume(self, socket: web.WebSocketResponse, data: Mapping[str, Any]) -> Session | None:
        self.stats.resumes += 1
        session = self._sessions.get(data["session_id"])
        missed = session.missed_since(data["seq"]) if session is not None else None
        if session is None or missed is None or data["token"] != self._token:
            await socket.send_json({"op": Op.INVALID_SESSION, "d": False})
            return None
        session.connect(socket, missed=missed)
        session.push("RESUMED", {})
        return session
