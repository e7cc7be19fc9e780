"""The upgrade request as bytes, without I/O: read, judged by RFC 6455, answered.

Source: RFC 6455 section 4.2 (what a server checks), RFC 9110 section 7.8 (Upgrade), section 15.5.22 (426).
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

import msgspec

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

# Two of one of these would let two readers of the request take two different answers from it.
_ONCE: Final = frozenset({"host", "origin", "authorization", "sec-websocket-key", "sec-websocket-version"})


class Upgrade(msgspec.Struct, frozen=True):
    """A sound upgrade request, as a route judges it.

    `path` is percent-decoded, `query` is not and has no question mark. `headers` has lower-case names, with
    repeated ones joined. `peer` is the browser's address, "" if unknown. `secure` is true if it came by TLS,
    to us or to a trusted proxy.
    """

    path: str
    query: str
    headers: Mapping[str, str]
    peer: str
    secure: bool


class Deny(msgspec.Struct, frozen=True):
    """An answer instead of an upgrade: plain HTTP, `reason` is the body, the connection closes after it."""

    status: int
    reason: str = ""
    headers: Mapping[str, str] = NO_HEADERS


class Request(msgspec.Struct, frozen=True):
    """A request head taken apart, nothing in it believed yet. `repeated` names what stood there twice."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    repeated: frozenset[str]


def parse_request(head: bytes) -> Request:
    """Takes apart a request head, blank line or not. The HTTP parser in front vouches for its shape."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, _, rest = first.partition(" ")
    path, _, query = rest.rpartition(" ")[0].partition("?")
    headers: dict[str, str] = {}
    repeated: set[str] = set()
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        if name in headers:
            repeated.add(name)
            # Cookie alone is joined by semicolons: RFC 9113 section 8.2.3.
            value = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}"
        headers[name] = value
    return Request(method, unquote(path), query, headers, frozenset(repeated))


def fault(request: Request) -> Deny | None:
    """Why this is no websocket handshake of version 13, or None. Origin and seats are a route's."""
    headers = request.headers
    if request.method != "GET":
        return Deny(405, "A websocket opens with GET.", {"allow": "GET"})
    if "websocket" not in _tokens(headers, "upgrade") or "upgrade" not in _tokens(headers, "connection"):
        return Deny(426, "Send Upgrade: websocket and Connection: Upgrade.", {"upgrade": "websocket"})
    twice = _ONCE & request.repeated
    if twice:
        return Deny(400, f"Send {min(twice)} once.")
    if headers.get("sec-websocket-version") != "13":
        answer = {"upgrade": "websocket", "sec-websocket-version": "13"}
        return Deny(426, "Speak websocket version 13.", answer)
    if not headers.get("host"):
        return Deny(400, "Send Host.")
    if not _is_key(headers.get("sec-websocket-key", "")):
        return Deny(400, "Send sec-websocket-key, 16 bytes in base64.")
    return None


def _tokens(headers: Mapping[str, str], name: str) -> set[str]:
    return {token.strip() for token in headers.get(name, "").lower().split(",")}


def _is_key(key: str) -> bool:
    try:
        return len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def switching(request: Request) -> bytes:
    """The 101 answer to a request without fault. No subprotocol, no extension."""
    key = request.headers["sec-websocket-key"].encode("ascii")
    # SHA-1 is the handshake's, it protects nothing: it only shows that the server understood the request.
    proof = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        b"sec-websocket-accept: " + proof + b"\r\n\r\n"
    )


def refusal(deny: Deny) -> bytes:
    """`deny` as an HTTP response that closes the connection. ValueError for a header with a line break."""
    body = deny.reason.encode()
    lines = [f"HTTP/1.1 {deny.status} {_phrase(deny.status)}"]
    ours = {
        "content-type": "text/plain; charset=utf-8",
        "connection": "close",
        "content-length": str(len(body)),
    }
    for name, value in {**deny.headers, **ours}.items():
        if any(mark in name + value for mark in "\r\n\0"):
            raise ValueError(f"header {name!r} holds a line break")
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
