"""What waits to be written: bounded lanes, and the one thread-safe line into the writer."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from inbox.domain.clock import monotonic
from inbox.domain.errors import Busy
from inbox.domain.transit import Lane, Who

# Longest wait in seconds before a lane answers "busy"; outcomes of sends are never refused.
PATIENCE = {Lane.OUTCOME: float("inf"), Lane.INTERACTIVE: 2.0, Lane.INTAKE: 10.0, Lane.BACKGROUND: 30.0}
# Most that may wait at once: at 5,000 actions a second this is about the patience of each lane.
CAPACITY = {Lane.OUTCOME: 10**9, Lane.INTERACTIVE: 10_000, Lane.INTAKE: 50_000, Lane.BACKGROUND: 5_000}


class Waiting:
    """One call of `store.write`, from the caller's loop to the writer's thread and back."""

    __slots__ = ("action", "args", "future", "keys", "kwargs", "lane", "loop", "now", "since", "tries", "who")

    def __init__(
        self,
        action: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        who: Who,
        now: datetime,
        keys: frozenset[str],
        lane: Lane,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.action = action
        self.args = args
        self.kwargs = kwargs
        self.who = who
        self.now = now
        self.keys = keys
        self.lane = lane
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.since = monotonic()
        self.tries = 0


class Lanes:
    """Four queues behind one lock. The writer sleeps on it while nothing waits."""

    def __init__(self) -> None:
        self._queues: dict[Lane, deque[Waiting]] = {lane: deque() for lane in Lane}
        self._ready = threading.Condition()
        self._closed = False

    def put(self, waiting: Waiting) -> None:
        """Raises: Busy when the lane is full."""
        with self._ready:
            queue = self._queues[waiting.lane]
            if self._closed:
                raise Busy(
                    "The server is stopping. What you wrote is kept here; try again in a moment.",
                    retry_after=2,
                )
            if len(queue) >= CAPACITY[waiting.lane]:
                raise Busy("Too much at once just now. Nothing is lost; try again in a moment.", retry_after=1)
            queue.append(waiting)
            self._ready.notify()

    def put_back(self, items: Iterable[Waiting]) -> None:
        """Return what a batch had no time for, to the front and in order."""
        with self._ready:
            for waiting in reversed(list(items)):
                self._queues[waiting.lane].appendleft(waiting)
            self._ready.notify()

    def take(self, most: int, timeout: float) -> list[Waiting]:
        """Up to `most` calls, by lane and then by age; empty after `timeout` seconds of quiet."""
        with self._ready:
            if not self._any():
                self._ready.wait(timeout)
            taken: list[Waiting] = []
            for lane in Lane:
                queue = self._queues[lane]
                while queue and len(taken) < most:
                    taken.append(queue.popleft())
            return taken

    def close(self) -> None:
        """Take nothing new; what waits is still written."""
        with self._ready:
            self._closed = True
            self._ready.notify()

    @property
    def drained(self) -> bool:
        with self._ready:
            return self._closed and not self._any()

    def depth(self) -> dict[str, int]:
        """How many wait, by lane (for /metrics)."""
        with self._ready:
            return {lane.name.lower(): len(queue) for lane, queue in self._queues.items()}

    def _any(self) -> bool:
        return any(self._queues.values())
