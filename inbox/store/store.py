"""The door to the data: `await store.write(action, …)`, `await store.read(query, …)`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog

from inbox.domain.clock import Clock, utc_now
from inbox.domain.errors import ReadOnly
from inbox.domain.events import Stamped
from inbox.domain.transit import Lane, Who
from inbox.store.batch import Answer
from inbox.store.engine import READERS, Database
from inbox.store.lanes import Lanes, Waiting
from inbox.store.transaction import Reading
from inbox.store.writer import Writer

# Beside a busy Python thread an echo's p50 was 10.6 ms with the default 5 ms and 1.65 ms with this.
SWITCH_SECONDS = 0.0005

logger = structlog.get_logger()
P = ParamSpec("P")
R = TypeVar("R")
Listener = Callable[[list[Stamped]], None]


class Store:
    """One per process. Start it inside the loop that will use it."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self.database = database
        self.clock = clock
        self.lanes = Lanes()
        self.writer = Writer(database, self.lanes, self._deliver)
        self.on_events: list[Listener] = []
        self.on_jobs: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._reporter = ThreadPoolExecutor(1, thread_name_prefix="reports")

    def start(self) -> None:
        """Begin to write. Must be called in the running loop; events are handed to listeners there."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._loop = asyncio.get_running_loop()
        self.writer.start()

    async def stop(self) -> None:
        """Write what waits, then close the database."""
        await asyncio.to_thread(self.writer.stop)
        await asyncio.sleep(0)  # the last answers were scheduled by the writer's thread
        self._readers.shutdown(wait=True)
        self._reporter.shutdown(wait=True)
        self.database.close()

    @property
    def is_read_only(self) -> bool:
        return self.writer.read_only

    def submit(
        self,
        action: Callable[..., Any],
        *args: Any,
        who: Who,
        keys: Collection[str] = (),
        lane: Lane = Lane.INTERACTIVE,
        **kwargs: Any,
    ) -> asyncio.Future[Any]:
        """Queue an action and return at once; the future is done after the commit. Raises: Busy, ReadOnly."""
        if self.writer.read_only and lane is not Lane.OUTCOME:
            raise ReadOnly(
                "The disk is full, so nothing can be saved just now. What you typed stays here.",
                retry_after=5,
            )
        loop = asyncio.get_running_loop()
        waiting = Waiting(action, args, kwargs, who, self.clock(), frozenset(keys), lane, loop)
        self.lanes.put(waiting)
        return waiting.future

    async def write(
        self,
        action: Callable[..., Any],
        *args: Any,
        who: Who,
        keys: Collection[str] = (),
        lane: Lane = Lane.INTERACTIVE,
        **kwargs: Any,
    ) -> Any:
        """Run `action(tx, *args, **kwargs)` in the next group commit and return its result once it is on disk.

        `keys` name what the action decides about (`conversation:{id}`, `thread:{inbox}:{key}`). Raises: what the action raises; Busy; ReadOnly.
        """
        return await self.submit(action, *args, who=who, keys=keys, lane=lane, **kwargs)

    async def read(self, query: Callable[Concatenate[Reading, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `query(rx, …)` in one snapshot on a reader thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self.read_now(query, *args, **kwargs))

    async def report(self, query: Callable[Concatenate[Reading, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `read`, on the thread kept for slow questions, so that they never stand in front of a page."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reporter, lambda: self.read_now(query, *args, **kwargs))

    def read_now(self, query: Callable[Concatenate[Reading, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `read`, in the calling thread."""
        with self.database.reading.connect() as connection, connection.begin():
            rx = Reading(connection, self.clock())
            try:
                return query(rx, *args, **kwargs)
            finally:
                if rx._session is not None:
                    rx._session.close()

    def _deliver(self, answers: list[Answer], stamped: list[Stamped], wakes_worker: bool) -> None:
        """In the writer's thread: hand everything to the loops in one call each."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
        for answer in answers:
            by_loop.setdefault(answer[0].loop, []).append(answer)
        for loop, own in by_loop.items():
            _call(loop, _settle, own)
        if self._loop is not None and (stamped or wakes_worker):
            _call(self._loop, self._announce, stamped, wakes_worker)

    def _announce(self, stamped: list[Stamped], wakes_worker: bool) -> None:
        calls: list[Callable[[], None]] = list(self.on_jobs) if wakes_worker else []
        if stamped:
            calls = [*(partial(listener, stamped) for listener in self.on_events), *calls]
        for call in calls:
            try:
                call()
            except Exception as error:  # one listener's fault must not keep the news from the others
                logger.error("listener_failed", error=type(error).__name__, exc_info=error)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # the caller's loop has ended; what it wrote is on disk all the same
        return


def _settle(answers: list[Answer]) -> None:
    for waiting, result, error in answers:
        if waiting.future.done():
            continue
        if error is None:
            waiting.future.set_result(result)
        else:
            waiting.future.set_exception(error)
