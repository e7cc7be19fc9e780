"""The bell over Redis: best effort on purpose. Losing it costs a second of latency, never an event."""

from __future__ import annotations

import asyncio
import contextlib

import redis.asyncio as redis
import structlog

from inbox.domain.ids import jitter, new_id
from inbox.realtime.bus import Ring, Signal

CHANNEL = "rapport"
RETRY_SECONDS = 2.0
TIMEOUT_SECONDS = 1.0
MOST_WAITING = 1_000  # bells that wait while Redis hangs; the poll finds what is dropped

logger = structlog.get_logger()


class RedisBus:
    """One subscription and one queue of bells. Nobody ever waits for Redis."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = new_id()
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, on_ring: Ring, on_signal: Signal) -> None:
        self._tasks = [
            asyncio.create_task(self._speak(), name="bus-speak"),
            asyncio.create_task(self._listen(on_ring, on_signal), name="bus-listen"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def ring(self, workspace_ids: set[str]) -> None:
        for workspace_id in workspace_ids:
            self._put(b"\n".join((self.name.encode(), b"ring", workspace_id.encode(), b"", b"")))

    def signal(self, workspace_id: str, topic: str, frame: bytes) -> None:
        self._put(b"\n".join((self.name.encode(), b"signal", workspace_id.encode(), topic.encode(), frame)))

    def _put(self, word: bytes) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(word)

    def _client(self, timeout: float | None) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=timeout, socket_connect_timeout=TIMEOUT_SECONDS)

    async def _speak(self) -> None:
        async with self._client(TIMEOUT_SECONDS) as client:
            while True:
                word = await self._waiting.get()
                try:
                    await client.publish(CHANNEL, word)
                except (redis.RedisError, OSError) as error:
                    logger.warning("bell_not_rung", error=type(error).__name__)
                    await asyncio.sleep(jitter(RETRY_SECONDS))

    async def _listen(self, on_ring: Ring, on_signal: Signal) -> None:
        while True:
            try:
                async with self._client(None) as client, client.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            self._hear(message["data"], on_ring, on_signal)
            except (redis.RedisError, OSError) as error:
                logger.warning("bell_not_heard", error=type(error).__name__)
            await asyncio.sleep(jitter(RETRY_SECONDS))

    def _hear(self, word: bytes, on_ring: Ring, on_signal: Signal) -> None:
        who, kind, workspace_id, topic, frame = word.split(b"\n", 4)
        if who == self.name.encode():
            return
        if kind == b"ring":
            on_ring(workspace_id.decode())
        elif kind == b"signal":
            on_signal(workspace_id.decode(), topic.decode(), frame)
