"""Socket Mode: connections, envelopes and their acknowledgements, redelivery after a drop.

What waits while no socket is open is sent after the next hello: events without limit, the rest for as long as the
person waits. It does not know what is in a payload.
"""

import asyncio
import json
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from tests.fakes.slack.deliveries import Delivery, Kind

if TYPE_CHECKING:
    from tests.fakes.slack.world import World

MAX_CONNECTIONS = 10
MAX_REMEMBERED = 10_000
MAX_WAITING = 10_000


@dataclass(slots=True, eq=False)
class Connection:
    """One open socket and what was sent over it without an acknowledgement yet."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport
    unacknowledged: dict[str, "Envelope"] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Envelope:
    """One attempt to hand a delivery over."""

    id: str
    delivery: Delivery
    retry_num: int
    sent_at: float
    deadline: asyncio.TimerHandle
    is_overdue: bool = False


class SocketMode:
    """All sockets of the app; envelopes go round them in turn."""

    def __init__(self, world: "World", retry_delays_seconds: list[float]) -> None:
        self._world = world
        self._retry_delays_seconds = retry_delays_seconds
        self._tickets: deque[str] = deque(maxlen=MAX_REMEMBERED)
        self._acknowledged: OrderedDict[str, None] = OrderedDict()
        self._waiting: OrderedDict[int, tuple[Delivery, int, str]] = OrderedDict()
        self.connections: list[Connection] = []
        self.num_connected = 0  # ever

    def new_url(self) -> str:
        """Return the address of a socket that can be opened once."""
        ticket = self._world.new_id("W")
        self._tickets.append(ticket)
        return f"{self._world.base_url.replace('http', 'ws', 1)}/link?ticket={ticket}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Hold one socket until it closes."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets or self._world.faults.take("link") is not None:
            return web.Response(status=404, text="no such socket")
        self._tickets.remove(ticket)
        socket = web.WebSocketResponse(compress=False, timeout=1.0)
        await socket.prepare(request)
        assert request.transport is not None
        connection = Connection(socket, request.transport)
        try:
            await self._open(connection)
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self._receive(connection, frame.data)
        finally:
            self._forget(connection)
        return socket

    async def send(self, delivery: Delivery, *, retry_num: int = 0, reason: str = "") -> None:
        """Send an envelope, or keep the delivery until a socket opens."""
        if not self.connections:
            self._keep(delivery, retry_num, reason)
            return
        connection = self.connections.pop(0)
        self.connections.append(connection)
        envelope = self._envelope(connection, delivery, retry_num)
        try:
            await connection.socket.send_str(self._frame(envelope, reason))
        except ConnectionError:
            self._forget(connection)

    async def disconnect(self, reason: str) -> None:
        """Ask every client to open a new socket: "warning", "refresh_requested" or "link_disabled"."""
        frame = {"type": "disconnect", "reason": reason, "debug_info": {"host": "loopback"}}
        for connection in list(self.connections):
            await connection.socket.send_json(frame)

    async def drop(self, *, abruptly: bool) -> None:
        """Close every socket, with a close frame or by cutting the connection."""
        for connection in list(self.connections):
            self._forget(connection)
            if abruptly:
                connection.transport.abort()
            else:
                await connection.socket.close(code=WSCloseCode.GOING_AWAY)

    async def _open(self, connection: Connection) -> None:
        self.connections.append(connection)
        self.num_connected += 1
        hello = {
            "type": "hello",
            "num_connections": len(self.connections),
            "connection_info": {"app_id": self._world.app_id},
            "debug_info": {"host": "loopback", "build_number": 1, "approximate_connection_time": 18060},
        }
        await connection.socket.send_json(hello)
        if len(self.connections) > MAX_CONNECTIONS:
            await connection.socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
        for delivery, retry_num, reason in [self._waiting.pop(key) for key in list(self._waiting)]:
            await self.send(delivery, retry_num=retry_num, reason=reason)

    def _keep(self, delivery: Delivery, retry_num: int, reason: str) -> None:
        self._waiting[id(delivery)] = (delivery, retry_num, reason)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)
        if delivery.kind is not Kind.EVENT:
            asyncio.get_running_loop().call_later(self._world.ack_seconds, self._give_up, delivery)

    def _give_up(self, delivery: Delivery) -> None:
        if self._waiting.pop(id(delivery), None) is not None:
            delivery.fail("app_did_not_respond")

    def _envelope(self, connection: Connection, delivery: Delivery, retry_num: int) -> Envelope:
        delivery.num_attempts += 1
        identity = self._world.new_id("envelope-")
        timer = asyncio.get_running_loop().call_later(self._world.ack_seconds, self._overdue, connection, identity)
        envelope = Envelope(
            id=identity, delivery=delivery, retry_num=retry_num, sent_at=time.monotonic(), deadline=timer
        )
        connection.unacknowledged[identity] = envelope
        return envelope

    def _frame(self, envelope: Envelope, reason: str) -> str:
        delivery = envelope.delivery
        frame: dict[str, Any] = {
            "envelope_id": envelope.id,
            "type": delivery.kind.value,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind is not Kind.EVENT,
        }
        if envelope.retry_num or delivery.kind is Kind.EVENT:
            frame |= {"retry_attempt": envelope.retry_num, "retry_reason": reason}
        return json.dumps(frame)

    def _receive(self, connection: Connection, text: str) -> None:
        try:
            answer = json.loads(text)
            identity = answer["envelope_id"]
        except (ValueError, KeyError, TypeError):
            self._world.violation(f"a frame is no acknowledgement: {text[:100]!r}")
            return
        envelope = connection.unacknowledged.pop(identity, None)
        if envelope is None:
            self._refuse(identity)
            return
        envelope.deadline.cancel()
        self._acknowledged[identity] = None
        if len(self._acknowledged) > MAX_REMEMBERED:
            self._acknowledged.popitem(last=False)
        after_seconds = time.monotonic() - envelope.sent_at
        if after_seconds > self._world.ack_seconds and not envelope.is_overdue:
            self._world.violation(f"an envelope was acknowledged too late: after {after_seconds:.2f} s")
        envelope.delivery.acknowledge(answer.get("payload"), after_seconds=after_seconds)

    def _refuse(self, identity: object) -> None:
        is_second = identity in self._acknowledged
        what = "was acknowledged twice" if is_second else "is not open on this socket, but was acknowledged"
        self._world.violation(f"the envelope {identity!r} {what}")

    def _overdue(self, connection: Connection, identity: str) -> None:
        envelope = connection.unacknowledged.get(identity)
        if envelope is None or connection.socket.closed:
            return
        envelope.is_overdue = True
        kind = envelope.delivery.kind
        self._world.violation(f"an envelope of the type {kind} was not acknowledged in time")
        envelope.delivery.fail("operation_timeout")
        if kind is Kind.EVENT and envelope.retry_num < len(self._retry_delays_seconds):
            self._world.spawn(self._retry(envelope))

    async def _retry(self, envelope: Envelope) -> None:
        await asyncio.sleep(self._retry_delays_seconds[envelope.retry_num])
        await self.send(envelope.delivery, retry_num=envelope.retry_num + 1, reason="timeout")

    def _forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        envelopes = list(connection.unacknowledged.values())
        connection.unacknowledged.clear()
        for envelope in envelopes:
            envelope.deadline.cancel()
            self._world.spawn(self.send(envelope.delivery, retry_num=envelope.retry_num + 1, reason="timeout"))
