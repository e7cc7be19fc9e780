"""Websocket frames as bytes, without I/O: what is sent is built here, what arrives is read and judged here.

Nothing is compressed and no extension is ever negotiated, so every reserved bit is an error.

Source: RFC 6455 section 5 (framing), 7.4 (close codes), 8.1 (UTF-8).
"""

import codecs
from collections.abc import Callable
from typing import Final

_mask: Callable[[bytes | bytearray, bytes | bytearray], bytes]
try:
    from websockets.speedups import apply_mask as _mask
except ImportError:  # a platform without a compiled wheel
    from websockets.utils import apply_mask as _mask

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
_OPCODES: Final = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})

NORMAL: Final = 1000
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED_DATA: Final = 1003
NO_CODE: Final = 1005  # stands for a close frame without a body, never travels
INVALID_DATA: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012

# What a peer may put on the wire: 1004, 1005, 1006 and 1015 are reserved, 1012-1014 are registered with IANA.
_PEER_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
_CONTROL_LIMIT: Final = 125  # bytes of payload, RFC 6455 section 5.5
_REASON_LIMIT: Final = _CONTROL_LIMIT - 2

PING_FRAME: Final = b"\x89\x00"
EMPTY_CLOSE_FRAME: Final = b"\x88\x00"


class Violation(Exception):
    """The peer broke the protocol or a limit; `code` is the close code that says how."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def text_frame(payload: bytes) -> bytes:
    """One unmasked text frame around `payload` (UTF-8, any length). Build it once, send it to everybody."""
    return _frame(TEXT, payload)


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping; `payload` is the ping's own, at most 125 bytes."""
    return _frame(PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; a reason over 123 bytes of UTF-8 is cut between two characters.

    Raises ValueError for a code that may not be sent.
    """
    if code not in _PEER_CODES:
        raise ValueError(f"{code} is no close code that may be sent; take 1000-1003, 1007-1014 or 3000-4999")
    cut = reason.encode()[:_REASON_LIMIT].decode(errors="ignore").encode()
    return _frame(CLOSE, code.to_bytes(2, "big") + cut)


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_code(payload: bytes) -> int:
    """The code in a close frame, `NO_CODE` if it is empty. Raises Violation (1002 code, 1007 reason)."""
    if not payload:
        return NO_CODE
    if len(payload) == 1:
        raise Violation(PROTOCOL_ERROR, "a close code has two bytes")
    code = int.from_bytes(payload[:2], "big")
    if code not in _PEER_CODES:
        raise Violation(PROTOCOL_ERROR, "close code not allowed")
    _check_utf8(payload[2:])
    return code


class FrameReader:
    """Takes bytes as they come and gives frames one by one: `feed`, then `next` until it is None.

    `limit` is the largest message in bytes, whole or summed over its fragments. A frame over it is refused
    from its header alone, so at most `limit` bytes of an unfinished frame are ever held.
    """

    __slots__ = ("_at", "_buffer", "_decoder", "_limit", "_message")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer: bytes | bytearray = b""
        # Where the next frame begins. A cursor: cutting the front off would copy the rest once per frame.
        self._at = 0
        self._message: bytearray | None = None  # fragments so far; None outside a fragmented message
        self._decoder: codecs.IncrementalDecoder | None = None

    @property
    def waiting(self) -> int:
        """Bytes fed and not yet given out as frames."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> None:
        """Takes in `data`, of any length: half a header, or many frames."""
        if not self.waiting:
            self._buffer, self._at = data, 0
            return
        if not isinstance(self._buffer, bytearray):
            self._buffer, self._at = bytearray(self._buffer[self._at :]), 0
        # Grows in place: joining two `bytes` would copy the whole remainder for every byte that trickles in.
        self._buffer += data

    def next(self) -> tuple[int, bytes] | None:
        """The next frame as (opcode, payload), or None until more is fed. Violation ends it.

        `TEXT` carries a whole message, checked as UTF-8. `CONTINUATION` with nothing says that a fragment was
        taken in (so that a caller can count it). `CLOSE`, `PING` and `PONG` carry their payload.
        """
        buffer, at = self._buffer, self._at
        if len(buffer) - at < 2:
            return self._wait()
        first, second = buffer[at], buffer[at + 1]
        self._check_head(first, second)
        start, size = at + 2, second & 0x7F
        if size >= 126:
            width = 2 if size == 126 else 8
            start += width
            if len(buffer) < start:
                return self._wait()
            size = _extended_size(buffer[at + 2 : start])
        self._check_size(first & 0x0F, size)
        end = start + 4 + size
        if len(buffer) < end:
            return self._wait()
        payload = _mask(buffer[start + 4 : end], buffer[start : start + 4])
        self._at = end
        if first & 0x08:
            return first & 0x0F, payload
        return self._data(first, payload)

    def _wait(self) -> tuple[int, bytes] | None:
        """Keeps only the unread rest: an idle connection holds no buffer."""
        if not self.waiting:
            self._buffer, self._at = b"", 0
        elif self._at:
            self._buffer, self._at = bytearray(self._buffer[self._at :]), 0
        return None

    def _check_head(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & 0x70:
            raise Violation(PROTOCOL_ERROR, "reserved bit set")
        if opcode not in _OPCODES:
            raise Violation(PROTOCOL_ERROR, "unknown opcode")
        if not second & 0x80:
            raise Violation(PROTOCOL_ERROR, "frame without a mask")
        if opcode >= CLOSE:
            if not first & 0x80:
                raise Violation(PROTOCOL_ERROR, "control frame in fragments")
            if second & 0x7F > _CONTROL_LIMIT:
                raise Violation(PROTOCOL_ERROR, "control frame too long")
        elif (opcode == CONTINUATION) == (self._message is None):
            raise Violation(PROTOCOL_ERROR, "fragment out of order")
        elif opcode == BINARY:
            raise Violation(UNSUPPORTED_DATA, "text only")

    def _check_size(self, opcode: int, size: int) -> None:
        held = len(self._message) if self._message is not None else 0
        if opcode < CLOSE and held + size > self._limit:
            raise Violation(TOO_BIG, f"message over {self._limit} bytes")

    def _data(self, first: int, payload: bytes) -> tuple[int, bytes]:
        final = bool(first & 0x80)
        if self._message is None:
            if final:
                _check_utf8(payload)
                return TEXT, payload
            self._message = bytearray()
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        message, decoder = self._message, self._decoder
        assert decoder is not None
        try:
            # Fragments may cut a character in two, so they are judged with the memory of the one before.
            decoder.decode(payload, final)
        except UnicodeDecodeError:
            raise Violation(INVALID_DATA, "not UTF-8") from None
        message += payload
        if not final:
            return CONTINUATION, b""
        self._message = self._decoder = None
        return TEXT, bytes(message)


def _extended_size(field: bytes | bytearray) -> int:
    size = int.from_bytes(field, "big")
    if size >> 63 or size < (126 if len(field) == 2 else 65536):
        raise Violation(PROTOCOL_ERROR, "length not in its shortest form")
    return size


def _check_utf8(payload: bytes) -> None:
    if payload.isascii():
        return
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise Violation(INVALID_DATA, "not UTF-8") from None
