"""Load from another process' point of view: raw sockets that count what arrives, at the least cost a Python client can have."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import time
from collections.abc import Callable
from typing import cast

_TIME = re.compile(rb"t=(\d{10,})")


def frame(payload: bytes) -> bytes:
    """A masked text frame; the mask is nought, which the protocol allows and which costs nothing."""
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


class Client(asyncio.Protocol):
    """One websocket that counts a mark in what it reads, and the age of the times it finds."""

    def __init__(self, request: bytes, mark: bytes, times: list[float] | None = None) -> None:
        self.request = request
        self.mark = mark
        self.count = 0
        self.times = times
        self.tail = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seen: Callable[[int], None] | None = None
        self.waits: list[tuple[bytes, asyncio.Future[bytes]]] = []
        self.is_lost = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.transport.write(self.request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("refused"))

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            if b"\r\n\r\n" in data:
                assert data.startswith(b"HTTP/1.1 101"), data[:200]
                self.opened.set_result(None)
            return
        if self.waits and self.waits[0][0] in data:
            self.waits.pop(0)[1].set_result(data)
        if data[:1] == b"\x89":
            self.transport.write(b"\x8a\x80\0\0\0\0")
        whole = self.tail + data
        found = whole.count(self.mark) - self.tail.count(self.mark)
        self.tail = whole[-len(self.mark) :]
        if not found:
            return
        self.count += found
        if self.times is not None:
            now = time.monotonic_ns()
            self.times.extend((now - int(t)) / 1e6 for t in set(_TIME.findall(data)))
        if self.seen is not None:
            self.seen(found)

    def say(self, payload: bytes) -> None:
        self.transport.write(frame(payload))

    async def ask(self, payload: bytes, answer: bytes) -> bytes:
        """Send and wait for data that holds `answer`."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.waits.append((answer, future))
        self.say(payload)
        return await asyncio.wait_for(future, 20)


async def dial(
    port: int, path: str, mark: bytes, *, cookie: str = "", times: list[float] | None = None, local: int = 1
) -> Client:
    """Open a websocket on 127.0.0.1, from one of the loopback's many addresses."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        f"Origin: http://127.0.0.1:{port}",
        *([f"Cookie: {cookie}"] if cookie else []),
    ]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: Client(request, mark, times), "127.0.0.1", port, local_addr=(f"127.0.0.{local}", 0)
    )
    await client.opened
    return client


def percentile(values: list[float], share: float) -> float:
    """In the unit of the values; NaN without any."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def closed_loop(senders: list[Client], message: Callable[[int], bytes], seconds: float, window: int) -> None:
    """Each sender keeps `window` messages unanswered until the time is up."""
    stop = time.monotonic() + seconds
    numbers = iter(range(10**9))

    def more(sender: Client, count: int) -> None:
        if time.monotonic() < stop:
            for _ in range(count):
                sender.say(message(next(numbers)))

    for sender in senders:
        sender.seen = lambda found, own=sender: more(own, found)
        more(sender, window)
    await asyncio.sleep(seconds)
    for sender in senders:
        sender.seen = None


async def open_loop(senders: list[Client], message: Callable[[int], bytes], seconds: float, rate: float) -> None:
    """`rate` messages a second whatever the answers do; times count from when a message was due."""
    begun = time.monotonic()
    n = 0
    while (now := time.monotonic() - begun) < seconds:
        while n < now * rate:
            senders[n % len(senders)].say(message(n))
            n += 1
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.5)
