"""An upgraded connection: frames in to its handler, frames out to its peer, until one of them leaves.

Nothing here waits for a socket: a frame is written, or its reader is cut.

Source: RFC 6455 section 5.4 to 5.5 (fragments, control frames), section 7 (closing).
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from inbox.realtime import frames
from inbox.realtime.frames import FrameReader, Violation
from inbox.realtime.handshake import NO_HEADERS
from inbox.realtime.wire_contract import Handler
from inbox.realtime.wire_limits import Census, Limits, Stats
from inbox.realtime.wire_timers import Farewells, PingRound

_log = logging.getLogger("inbox.realtime.wire")

# Life of a connection, in this order.
OPENING: Final = 0
OPEN: Final = 1
CLOSING: Final = 2  # our close frame is out, theirs is awaited
DEAF: Final = 3  # over: whatever still comes is dropped

_RESTART_FRAME: Final = frames.close_frame(frames.SERVICE_RESTART)
_SPENT: Final = FrameReader(0)  # stands in for a reader whose bytes nobody wants any more; never fed


class Station:
    """What all connections of one server share."""

    def __init__(self, limits: Limits, stats: Stats) -> None:
        self.limits = limits
        self.stats = stats
        self.pings = PingRound(limits.ping_interval)
        self.farewells = Farewells(limits.close_timeout)
        self.census = Census(limits.per_ip, limits.total)


class Link(asyncio.Protocol):
    """One connection after its upgrade. A subclass opens it."""

    __slots__ = (
        "_bucket",
        "_bytes_due",
        "_frames_due",
        "_handler",
        "_heard",
        "_rate",
        "_reader",
        "_state",
        "_station",
        "_transport",
        "headers",
        "path",
        "peer",
        "query",
    )

    _transport: asyncio.Transport

    def __init__(self, station: Station) -> None:
        self._station = station
        self._state = OPENING
        self._handler: Handler | None = None
        self._reader = FrameReader(station.limits.max_frame)
        self._bucket = -1  # in the ping round; below 0 as long as it takes no part
        self._heard = True  # since the last ping
        # When the peer's credit is whole again, by the loop's clock: one float does for a bucket's two.
        self._frames_due = self._bytes_due = 0.0
        self._rate = station.limits.per_second
        self.path = self.query = self.peer = ""
        self.headers: Mapping[str, str] = NO_HEADERS

    def send(self, frame: bytes) -> bool:
        """See `Connection.send`."""
        if self._state != OPEN:
            return False
        self._station.stats.frames_out += 1
        return self._put(frame)

    def close(self, code: int, reason: str = "") -> None:
        """See `Connection.close`."""
        self._leave(frames.close_frame(code, reason))

    def abort(self) -> None:
        """See `Connection.abort`."""
        self._state, self._reader = DEAF, _SPENT
        self._transport.abort()

    def ping(self) -> None:
        """Asks for a sign of life; cuts if none came since last time. Any byte is one: the busy pong late."""
        if self._state != OPEN:
            return
        if self._heard:
            self._heard = False
            self._put(frames.PING_FRAME)
        else:
            self._station.stats.silent += 1
            self.abort()

    def shutdown(self) -> None:
        """The server stops: one prepared close frame, 1012, and the usual time to answer it."""
        self._leave(_RESTART_FRAME)

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of everything. Called by the transport, once."""
        self._state, self._reader = DEAF, _SPENT
        self._station.farewells.remove(self)
        if self._bucket >= 0:
            self._station.pings.remove(self, self._bucket)
            self._station.stats.open -= 1
        handler, self._handler = self._handler, None
        if handler is not None:
            try:
                handler.closed()
            except Exception as error:
                self.note_failure("closed", error)

    def note_failure(self, step: str, error: Exception) -> None:
        """Counts and logs what a handler or route raised, by type: its text may hold what a visitor wrote."""
        self._station.stats.failures += 1
        _log.error("realtime_handler_failed step=%s error=%s", step, type(error).__name__)

    def begin(self, handler: Handler, rate: int) -> None:
        """The upgrade is written: `handler` has the connection now, at `rate` frames in per second."""
        station = self._station
        self._state, self._handler, self._rate = OPEN, handler, rate
        self._bucket = station.pings.add(self)
        station.stats.open += 1
        station.stats.opened_total += 1
        try:
            handler.open(self)
        except Exception as error:
            self._broke("open", error)
        self.headers = NO_HEADERS
        if self._reader.waiting:
            self._read(asyncio.get_running_loop().time())

    def receive(self, data: bytes) -> None:
        """Takes in bytes of an upgraded connection; what comes after the end is dropped."""
        if self._state not in (OPEN, CLOSING):
            return
        self._heard = True
        limits, now = self._station.limits, asyncio.get_running_loop().time()
        self._station.stats.bytes_in += len(data)
        self._bytes_due = max(self._bytes_due, now) + len(data) / limits.bytes_per_second
        if self._bytes_due - now > limits.burst_bytes / limits.bytes_per_second:
            self._slow_down()
            return
        self._reader.feed(data)
        self._read(now)

    def _read(self, now: float) -> None:
        reader = self._reader
        try:
            while self._state in (OPEN, CLOSING) and (frame := reader.next()) is not None:
                self._station.stats.frames_in += 1
                self._frames_due = max(self._frames_due, now) + 1 / self._rate
                if self._frames_due - now > self._station.limits.burst_seconds:
                    self._slow_down()
                else:
                    self._take(*frame)
        except Violation as violation:
            self._station.stats.violations += 1
            self._fail(violation.code, violation.reason)

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.CLOSE:
            self._answer_close(payload)
        elif self._state == CLOSING:
            pass  # our close frame is out: nothing may follow it, and nobody asks any more
        elif opcode == frames.TEXT:
            try:
                if self._handler is not None:
                    self._handler.text(payload)
            except Exception as error:
                self._broke("text", error)
        elif opcode == frames.PING:
            self._put(frames.pong_frame(payload))

    def _answer_close(self, payload: bytes) -> None:
        code = frames.close_code(payload)
        if self._state == OPEN:
            self._put(frames.EMPTY_CLOSE_FRAME if code == frames.NO_CODE else frames.close_frame(code))
        self._state, self._reader = DEAF, _SPENT
        # Closing waits until everything is sent, so a peer that does not read would keep us for ever.
        self._transport.close()
        self._station.farewells.add(self)

    def _slow_down(self) -> None:
        self._station.stats.rate_limited += 1
        self._fail(frames.POLICY, "slow down")

    def _broke(self, step: str, error: Exception) -> None:
        self.note_failure(step, error)
        self._fail(frames.INTERNAL_ERROR, "")

    def _fail(self, code: int, reason: str) -> None:
        """Says why, then listens no more."""
        if self._state == DEAF or (self._state == OPEN and not self._put(frames.close_frame(code, reason))):
            return
        self._state, self._reader = DEAF, _SPENT
        # Only our half: a socket closed with unread bytes is reset, and that overtakes the close frame.
        try:
            if self._transport.can_write_eof():
                self._transport.write_eof()
            else:  # TLS has no half
                self._transport.close()
        except OSError:  # the peer has reset the connection just now, which asyncio finds out here
            self._transport.abort()
        self._station.farewells.add(self)

    def _leave(self, frame: bytes) -> None:
        if self._state == OPEN and self._put(frame):
            self._state = CLOSING
            self._station.farewells.add(self)

    def _put(self, frame: bytes) -> bool:
        transport = self._transport
        if transport.get_write_buffer_size() > self._station.limits.write_limit:
            self._station.stats.shed_total += 1
            self.abort()
            return False
        transport.write(frame)
        return True
