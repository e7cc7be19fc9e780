"""The websocket server: a protocol class for `uvicorn.Config(ws=…)` serving registered paths by callbacks.

A connection costs no task, timer, queue or ASGI scope. Paths without a route go to uvicorn's own websocket
protocol, so an ordinary ASGI websocket works beside it.

Source: RFC 6455 section 4.2 (opening).
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import _TrustedHosts
from uvicorn.protocols.utils import is_ssl
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from inbox.realtime.frames import text_frame
from inbox.realtime.handshake import Deny, Request, Upgrade, fault, parse_request, refusal, switching
from inbox.realtime.http_guard import address_of
from inbox.realtime.wire_contract import Connection, Handler, Lookup, Route
from inbox.realtime.wire_limits import Limits, Stats
from inbox.realtime.wire_link import DEAF, OPENING, Link, Station

__all__ = [
    "Connection",
    "Deny",
    "Handler",
    "Limits",
    "Lookup",
    "Route",
    "Stats",
    "Upgrade",
    "make_protocol",
    "text_frame",
]

_RETRY = {"retry-after": "10"}  # seconds; the client adds its own jitter
_FULL = Deny(503, "Too many connections.", _RETRY)
_STOPPING = Deny(503, "The server is restarting.", _RETRY)
_LATE = Deny(503, "The server is too busy to let you in.", _RETRY)
_BROKEN = Deny(500, "The server could not decide.")
_HASTY = Deny(413, "Wait for the answer before sending.")


def make_protocol(lookup: Lookup, limits: Limits | None = None, stats: Stats | None = None) -> type[asyncio.Protocol]:
    """The class for `uvicorn.Config(ws=…)` of one server. `lookup` gives a path's route, None for the app's.

    Each call gives a class with its own counts and timers, so that two servers in one process do not meet.
    """
    front = _Front(lookup, limits or Limits(), stats or Stats())

    class ServedWire(_Wire):
        __slots__ = ()

        def __init__(
            self,
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            super().__init__(front, config, server_state, app_state)

    return ServedWire


class _Front(Station):
    """What all connections of one server share while they open."""

    def __init__(self, lookup: Lookup, limits: Limits, stats: Stats) -> None:
        super().__init__(limits, stats)
        self.lookup = lookup
        self.admitting: dict[_Wire, asyncio.Task[None]] = {}
        self._trusted: _TrustedHosts | None = None

    def whence(self, transport: asyncio.Transport, request: Request, config: Config) -> tuple[str, bool]:
        """The peer's address and whether it came by TLS. Forwarded ones count from trusted proxies only."""
        address = address_of(transport, "peername")
        peer, secure = (address[0] if address else ""), is_ssl(transport)
        if self._trusted is None:
            # The very judge uvicorn uses for HTTP requests: two opinions about one proxy would be a hole.
            self._trusted = _TrustedHosts(config.forwarded_allow_ips)
        if config.proxy_headers and peer in self._trusted:
            if forwarded := request.headers.get("x-forwarded-for"):
                peer = self._trusted.get_trusted_client_address(forwarded)[0] or peer
            if scheme := request.headers.get("x-forwarded-proto"):
                secure = scheme in ("https", "wss")
        return peer, secure


class _Wire(Link):
    """One connection from its upgrade request on; uvicorn makes it and hands it the request head as bytes."""

    __slots__ = ("_app_state", "_config", "_counted", "_detour", "_front", "_server_state")

    def __init__(self, front: _Front, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        super().__init__(front)
        self._front = front
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._counted = False  # in the census
        self._detour: WebSocketsSansIOProtocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Makes the connection known to uvicorn, which calls `shutdown` on what it knows and waits for it."""
        self._transport = cast(asyncio.Transport, transport)
        self._server_state.connections.add(cast(Any, self))

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of everything, wherever the connection stood."""
        if self._detour is not None:
            self._detour.connection_lost(exc)
            return
        self._server_state.connections.discard(cast(Any, self))
        if (task := self._front.admitting.pop(self, None)) is not None:
            task.cancel()
        if self._counted:
            self._front.census.leave(self.peer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes the request head first, frames afterwards; what comes while a route still asks is kept."""
        if self._state != OPENING:
            self.receive(data)
        elif self._detour is not None:
            self._detour.data_received(data)
        elif self in self._front.admitting:
            self._reader.feed(data)
            if self._reader.waiting > self._front.limits.admit_buffer:
                self._refuse(_HASTY)
        else:
            self._knock(data)

    def shutdown(self) -> None:
        """The server stops; somebody still at the door gets an HTTP answer."""
        if self._state != OPENING:
            super().shutdown()
        elif self._detour is not None:
            self._detour.shutdown()
        else:
            self._refuse(_STOPPING)

    def _knock(self, data: bytes) -> None:
        head, _, rest = data.partition(b"\r\n\r\n")
        request = parse_request(head)
        try:
            route = self._front.lookup(request.path)
        except Exception as error:
            self.note_failure("lookup", error)
            self._refuse(_BROKEN)
            return
        if route is None:
            self._take_detour(data)
        elif (deny := fault(request)) is not None:
            self._refuse(deny)
        else:
            self._reader.feed(rest)
            self._ask(route, request)

    def _take_detour(self, head: bytes) -> None:
        """Leaves this connection to uvicorn's own protocol, and so to the ASGI application."""
        self._front.stats.fallback += 1
        transport = self._transport
        self._server_state.connections.discard(cast(Any, self))
        self._detour = detour = WebSocketsSansIOProtocol(self._config, self._server_state, self._app_state)
        detour.connection_made(transport)
        detour.data_received(head)
        # uvicorn makes this object the transport's protocol once we return, so the change has to come later;
        # what arrives in between is passed on.
        asyncio.get_running_loop().call_soon(transport.set_protocol, detour)

    def _ask(self, route: Route, request: Request) -> None:
        self.peer, secure = self._front.whence(self._transport, request, self._config)
        self._counted = self._front.census.enter(self.peer)
        if not self._counted:
            self._front.stats.over_capacity += 1
            self._refuse(_FULL)
            return
        self.path, self.query, self.headers = request.path, request.query, request.headers
        try:
            verdict = route.admit(Upgrade(request.path, request.query, request.headers, self.peer, secure))
        except Exception as error:
            self.note_failure("admit", error)
            verdict = _BROKEN
        if isinstance(verdict, Awaitable):
            task = asyncio.get_running_loop().create_task(self._await_verdict(route, request, verdict))
            self._front.admitting[self] = task
        else:
            self._conclude(route, request, verdict)

    async def _await_verdict(self, route: Route, request: Request, pending: Awaitable[Handler | Deny]) -> None:
        try:
            async with asyncio.timeout(self._front.limits.admit_timeout):
                verdict = await pending
        except TimeoutError:
            verdict = _LATE
        except Exception as error:
            self.note_failure("admit", error)
            verdict = _BROKEN
        if self._front.admitting.pop(self, None) is not None and self._state == OPENING:
            self._conclude(route, request, verdict)

    def _conclude(self, route: Route, request: Request, verdict: Handler | Deny) -> None:
        if isinstance(verdict, Deny):
            self._refuse(verdict)
            return
        self._transport.write(switching(request))
        rate = getattr(verdict, "rate", None) or getattr(route, "rate", None) or self._front.limits.per_second
        self.begin(verdict, rate)

    def _refuse(self, deny: Deny) -> None:
        self._front.stats.denied += 1
        if (task := self._front.admitting.pop(self, None)) is not None:
            task.cancel()
        self._state = DEAF
        self._transport.write(refusal(deny))
        self._transport.close()
        self._front.farewells.add(self)
