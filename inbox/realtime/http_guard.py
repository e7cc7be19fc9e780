"""Deadlines for HTTP requests: half a request is shown the door instead of holding a connection for ever.

uvicorn itself limits only the time between requests. Hand `make_http_protocol()` to `uvicorn.Config(http=…)`.

Source: OWASP ASVS 5.0 V15.2.2 (slow requests), RFC 9110 section 15.5.9 (408), RFC 6585 section 5 (431).
"""

import asyncio
import sys
from typing import Any, Final, Literal

import httptools
import msgspec
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import is_ssl


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one HTTP connection. Times in seconds, sizes in bytes."""

    header_timeout: float = 10.0  # to a head's blank line, from the connection's start or its own first byte
    header_bytes: int = 64 * 1024
    body_window: float = 10.0  # a body is judged by what came in each stretch of this length
    body_rate: int = 1024  # bytes a second within a window; a weak mobile connection gives ten times that
    send_timeout: float = 30.0  # a reader that takes nothing of an unsent answer for so long is cut


def make_http_protocol(limits: HttpLimits | None = None) -> type[HttpToolsProtocol]:
    """uvicorn's httptools protocol with deadlines, as the class for `uvicorn.Config(http=…)`."""
    bounds = limits or HttpLimits()

    class GuardedHttp(_GuardedHttp):
        _limits = bounds

    return GuardedHttp


def address_of(transport: asyncio.BaseTransport, end: Literal["sockname", "peername"]) -> tuple[str, int] | None:
    """Address and port of one end of a connection; None on a unix socket."""
    name = transport.get_extra_info(end)
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) and len(name) >= 2 else None


_Owed = Literal["head", "body", "nothing"]


def _answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode("ascii")


_TIMED_OUT: Final = _answer("408 Request Timeout")
_HEAD_TOO_LARGE: Final = _answer("431 Request Header Fields Too Large")
_NO_ANSWER: Final = b""


class _GuardedHttp(HttpToolsProtocol):
    """One HTTP connection. `_owed` is what its peer has to send next, and there is a deadline for it."""

    _limits: HttpLimits

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owed: _Owed = "head"
        self._request = 0  # tells one head from the next, for each has its own deadline
        self._judged: tuple[_Owed, int] | None = None  # what `_deadline` stands for
        self._deadline: asyncio.TimerHandle | None = None
        self._head_size = 0
        self._body_size = 0  # within the window
        self._excused = False  # we ourselves made the peer wait within the window
        self._unsent = 0
        self._send_deadline: asyncio.TimerHandle | None = None
        self._chunk = b""
        self._is_websocket = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A head is owed from the start, whether a byte of it comes or not.

        uvicorn's own method, but for how it learns the addresses: by asking for the socket, of which uvloop
        then keeps a copy with both names, 0.36 KiB of each idle websocket for as long as it lives.
        """
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server, self.client = address_of(transport, "sockname"), address_of(transport, "peername")
        self.scheme = "https" if is_ssl(transport) else "http"
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        """No deadline outlives the connection."""
        self._stop_deadline()
        self._stop_send_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, then sees what is owed: timers change per read, not per callback."""
        self._chunk = data
        super().data_received(data)
        self._chunk = b""
        if self._is_websocket:
            return
        if self._owed == "head":
            self._head_size += len(data)
            if self._head_size > self._limits.header_bytes:
                self._turn_away(_HEAD_TOO_LARGE)
        elif self._owed == "nothing" and not self._is_answering() and self.timeout_keep_alive_task is None:
            # Blank lines between requests begin nothing, yet uvicorn stopped its keep-alive timer for them.
            self._owed = "head"
        self._settle()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if self._owed == "nothing":
            self._owed, self._request = "head", self._request + 1
        self._head_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole. One too large stops the parser, whose error uvicorn then catches."""
        if sum(len(name) + len(value) for name, value in self.headers) > self._limits.header_bytes:
            self._turn_away(_HEAD_TOO_LARGE)
            raise ValueError("request head too large")
        self._owed = "body"
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body. If the app is slower, uvicorn pauses reading: not the peer's fault."""
        self._body_size += len(body)
        super().on_body(body)
        self._excused = self._excused or self.flow.read_paused

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._owed = "nothing"
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers a broken request, unless it has its answer."""
        if not self.transport.is_closing():
            super().send_400_response(msg)
            self._watch_last_bytes()

    def handle_websocket_upgrade(self) -> None:
        """Passes the connection on, with what came behind the head: uvicorn alone would lose those bytes."""
        self._stop_deadline()
        if self._is_answering():
            # Two answers would mix on one connection, and the first one's end would close the websocket.
            self._turn_away(_NO_ANSWER)
            return
        upgrade = sys.exc_info()[1]
        rest = self._chunk[upgrade.args[0] :] if isinstance(upgrade, httptools.HttpParserUpgrade) else b""
        super().handle_websocket_upgrade()
        # Parser and protocol hold each other; left to the collector they are 3 KiB per websocket for a while.
        self.parser, self._is_websocket = None, True  # type: ignore[assignment]
        if rest:
            successor = self.transport.get_protocol()
            assert isinstance(successor, asyncio.Protocol)
            successor.data_received(rest)

    def _is_answering(self) -> bool:
        cycle = self._cycle()
        return cycle is not None and not cycle.response_complete

    def _cycle(self) -> RequestResponseCycle | None:
        """The newest request given to the application. uvicorn's annotation hides that there may be none."""
        return self.cycle

    def _settle(self) -> None:
        judged = (self._owed, self._request)
        if self.transport.is_closing() or self._owed == "nothing":
            self._stop_deadline()
        elif judged != self._judged:
            self._stop_deadline()
            self._judged = judged
            self._body_size, self._excused = 0, False
            self._start_deadline()

    def _start_deadline(self) -> None:
        limits = self._limits
        wait = limits.header_timeout if self._owed == "head" else limits.body_window
        self._deadline = self.loop.call_later(wait, self._expire)

    def _stop_deadline(self) -> None:
        self._judged = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if self._owed == "head":
            if self._is_answering():  # of a pipelined request; that answer must not be cut for this one
                self._start_deadline()
                return
        else:
            waits_for_us = self.flow.read_paused or self.cycle.waiting_for_100_continue
            enough = self._body_size >= self._limits.body_rate * self._limits.body_window
            if enough or self._excused or waits_for_us:
                self._body_size, self._excused = 0, waits_for_us
                self._start_deadline()
                return
        # Browsers open connections in advance; a 408 on one without a request would answer the next.
        self._turn_away(_TIMED_OUT if self._head_size or self._owed == "body" else _NO_ANSWER)

    def _turn_away(self, answer: bytes) -> None:
        """Closes, with `answer` where no other answer has begun. The application sees a disconnect."""
        cycle = self._cycle()
        if cycle is None:
            free = True
        elif self._owed == "body":
            free = not (cycle.response_started or self.pipeline)
        else:
            free = cycle.response_complete
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if free and answer:
            self.transport.write(answer)
        self.transport.close()
        self._watch_last_bytes()

    def pause_writing(self) -> None:
        """The reader is behind: from here on it has to take something."""
        super().pause_writing()
        self._start_send_deadline()

    def resume_writing(self) -> None:
        """The reader has caught up."""
        self._stop_send_deadline()
        super().resume_writing()

    def on_response_complete(self) -> None:
        """The answer is written, which does not mean sent."""
        super().on_response_complete()
        self._watch_last_bytes()

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        super().timeout_keep_alive_handler()
        self._watch_last_bytes()

    def shutdown(self) -> None:
        """The server stops. What is only half here will not be waited for."""
        super().shutdown()
        self._watch_last_bytes()

    def _watch_last_bytes(self) -> None:
        """A closing connection waits until all is sent: for ever, if its reader takes nothing."""
        if not self.transport.is_closing() or self._send_deadline is not None:
            return
        if self.transport.get_write_buffer_size():
            self._start_send_deadline()

    def _start_send_deadline(self) -> None:
        self._stop_send_deadline()
        self._unsent = self.transport.get_write_buffer_size()
        self._send_deadline = self.loop.call_later(self._limits.send_timeout, self._check_sending)

    def _stop_send_deadline(self) -> None:
        if self._send_deadline is not None:
            self._send_deadline.cancel()
            self._send_deadline = None

    def _check_sending(self) -> None:
        self._send_deadline = None
        if self.transport.get_write_buffer_size() < self._unsent:
            self._start_send_deadline()
        else:
            self.transport.abort()
