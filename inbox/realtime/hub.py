"""Who watches what, and one pump per workspace that draws each change once and hands the same bytes to every watcher."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec
import structlog

from inbox.domain.access import Viewer
from inbox.domain.events import Stamped
from inbox.domain.views import View
from inbox.realtime.wire import Connection, text_frame

BATCH = 128  # events drawn at once: about 150 KiB for somebody who watches everything, under the wire's write limit
CATCH_UP = 1_000  # events; who missed more fetches the page anew
CATCH_UP_BYTES = 192 * 1024  # in one turn: more could look like a reader who has stopped
POLL_SECONDS = 1.0  # lost bells cost at most this

logger = structlog.get_logger()


class Subscription(msgspec.Struct, frozen=True):
    """What is drawn for one topic in one language. `view` and `viewer` belong to lists and counts."""

    topic: str
    locale: str
    view: View | None = None
    viewer: Viewer | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.topic, self.locale)


Key = tuple[str, str]
Frames = Mapping[Key, bytes]
Draw = Callable[[str, list[Stamped], Mapping[Key, Subscription]], Awaitable[Frames]]
Since = Callable[[str, int, int], Awaitable[list[Stamped]]]
Heads = Callable[[list[str]], Awaitable[dict[str, int]]]


class Watcher(Protocol):
    """A socket as the hub knows it: an agent's or a visitor's."""

    connection: Connection
    subscriptions: dict[Key, Subscription]

    @property
    def workspace_id(self) -> str: ...

    @property
    def is_live(self) -> bool: ...

    @property
    def wants_head(self) -> bool: ...

    def notice(self, events: list[Stamped]) -> None:
        """Events that concern the socket itself (a seat changed, a session ended)."""


class Request(msgspec.Struct, frozen=True):
    """A catch-up: draw (after, cursor] of these subscriptions for one watcher, then `done(cursor)`.

    `done` gets None when the log no longer holds it or it is too much: the watcher resets.
    """

    watcher: Any
    after: int
    subscriptions: dict[Key, Subscription]
    done: Callable[[int | None], None]


class Pump:
    """One workspace: events in order, drawn in order, `head` after each portion."""

    def __init__(self, hub: Hub, workspace_id: str, cursor: int) -> None:
        self.hub = hub
        self.workspace_id = workspace_id
        self.cursor = cursor
        self.watchers: set[Watcher] = set()
        self.handed: deque[Stamped] = deque()
        self.requests: deque[Request] = deque()
        self.bell = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name=f"pump-{workspace_id}")

    def hand(self, events: Iterable[Stamped]) -> None:
        """Events committed by this process; an optimisation, used only where they follow on without a gap."""
        self.handed.extend(events)
        self.bell.set()

    async def _run(self) -> None:
        while True:
            await self.bell.wait()
            self.bell.clear()
            try:
                await self._pump()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                logger.error("pump_failed", error=type(error).__name__, exc_info=error)
                self.handed.clear()
                await asyncio.sleep(0.1)
                self.bell.set()

    async def _pump(self) -> None:
        while True:
            while self.requests:
                await self._catch_up(self.requests.popleft())
            events = await self._next()
            if not events:
                return
            await self._show(events)
            await asyncio.sleep(0)  # let the loop write before the next portion

    async def _next(self) -> list[Stamped]:
        while self.handed and self.handed[0].seq <= self.cursor:
            self.handed.popleft()
        if self.handed and self.handed[0].seq == self.cursor + 1:
            taken = [self.handed.popleft()]
            while self.handed and len(taken) < BATCH and self.handed[0].seq == taken[-1].seq + 1:
                taken.append(self.handed.popleft())
            return taken
        return await self.hub.since(self.workspace_id, self.cursor, BATCH)

    async def _show(self, events: list[Stamped]) -> None:
        after, to = self.cursor, events[-1].seq
        for watcher in list(self.watchers):
            watcher.notice(events)
        live = [w for w in self.watchers if w.is_live]
        wanted = {key: s for w in live for key, s in w.subscriptions.items()}
        frames = await self.hub.draw(self.workspace_id, events, wanted) if wanted else {}
        self.cursor = to
        head = text_frame(msgspec.json.encode({"t": "head", "after": after, "to": to}))
        self.hub.drawn += len(frames)
        for watcher in live:
            parts = [frames[key] for key in watcher.subscriptions if key in frames]
            if watcher.wants_head and watcher.is_live:
                parts.append(head)
            if parts:
                watcher.connection.send(b"".join(parts) if len(parts) > 1 else parts[0])

    async def _catch_up(self, request: Request) -> None:
        if request.after > self.cursor:
            await self._reach(request.after)
        if request.after < self.cursor and request.subscriptions:
            missed = await self.hub.since(self.workspace_id, request.after, CATCH_UP + 1)
            missed = [e for e in missed if e.seq <= self.cursor]
            if len(missed) != self.cursor - request.after:
                request.done(None)
                return
            frames = await self.hub.draw(self.workspace_id, missed, request.subscriptions)
            if sum(map(len, frames.values())) > CATCH_UP_BYTES:
                request.done(None)
                return
            if frames:
                request.watcher.connection.send(b"".join(frames.values()))
        elif self.cursor - request.after > CATCH_UP:
            request.done(None)
            return
        request.done(self.cursor if request.after <= self.cursor else None)

    async def _reach(self, seq: int) -> None:
        """A page may have been drawn ahead of the pump: show what lies between first."""
        while self.cursor < seq:
            events = await self._next()
            if not events:
                return
            await self._show(events)


class Hub:
    """All pumps of this process."""

    def __init__(self, *, since: Since, heads: Heads, draw: Draw) -> None:
        self.since = since
        self.heads = heads
        self.draw = draw
        self.pumps: dict[str, Pump] = {}
        self.drawn = 0
        self._poll: asyncio.Task[None] | None = None
        self._opening: dict[str, asyncio.Future[Pump]] = {}

    def start(self) -> None:
        self._poll = asyncio.create_task(self._ask_for_heads(), name="hub-poll")

    async def stop(self) -> None:
        tasks = [p.task for p in self.pumps.values()] + ([self._poll] if self._poll else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def join(self, watcher: Watcher) -> Pump:
        """Let a watcher in; the pump of its workspace runs from now on."""
        pump = self.pumps.get(watcher.workspace_id) or await self._open(watcher.workspace_id)
        pump.watchers.add(watcher)
        return pump

    def leave(self, watcher: Watcher) -> None:
        pump = self.pumps.get(watcher.workspace_id)
        if pump is not None:
            pump.watchers.discard(watcher)

    def on_events(self, stamped: list[Stamped]) -> None:
        """The store's listener: what this process committed."""
        for event in stamped:
            pump = self.pumps.get(event.workspace_id)
            if pump is not None:
                pump.handed.append(event)
                pump.bell.set()

    def ring(self, workspace_id: str) -> None:
        """The bus's listener: that workspace has news. Which, the log tells."""
        pump = self.pumps.get(workspace_id)
        if pump is not None:
            pump.bell.set()

    def signal(self, workspace_id: str, topic: str, frame: bytes, but: object = None) -> None:
        """Something that is never stored, to those who watch `topic` (in whatever language)."""
        pump = self.pumps.get(workspace_id)
        if pump is None:
            return
        for watcher in pump.watchers:
            if watcher is not but and watcher.is_live and any(key[0] == topic for key in watcher.subscriptions):
                watcher.connection.send(frame)

    @property
    def watcher_count(self) -> int:
        return sum(len(p.watchers) for p in self.pumps.values())

    async def _open(self, workspace_id: str) -> Pump:
        opening = self._opening.get(workspace_id)
        if opening is not None:
            return await opening
        future: asyncio.Future[Pump] = asyncio.get_running_loop().create_future()
        self._opening[workspace_id] = future
        try:
            head = (await self.heads([workspace_id])).get(workspace_id, 0)
            pump = self.pumps[workspace_id] = Pump(self, workspace_id, head)
            future.set_result(pump)
            return pump
        except BaseException as error:
            future.set_exception(error)
            future.exception()
            raise
        finally:
            del self._opening[workspace_id]

    async def _ask_for_heads(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            watched = [key for key, pump in self.pumps.items() if pump.watchers]
            if not watched:
                continue
            try:
                heads = await self.heads(watched)
            except Exception as error:
                logger.warning("heads_not_read", error=type(error).__name__)
                continue
            for workspace_id, head in heads.items():
                if head != self.pumps[workspace_id].cursor:
                    self.pumps[workspace_id].bell.set()
