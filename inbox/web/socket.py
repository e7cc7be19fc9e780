"""The agents' socket: resume, watch, typing. A closed table of frames; everything else is refused by name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from inbox.domain.access import Permission, Viewer, may
from inbox.domain.errors import InboxError, NotFound
from inbox.domain.events import SeatChanged, SessionEnded, Stamped
from inbox.domain.views import View, read_view
from inbox.realtime.hub import CATCH_UP, Hub, Key, Pump, Request, Subscription
from inbox.realtime.wire import Connection, Deny, Handler, Upgrade, text_frame
from inbox.store import conversations, log
from inbox.store.seats import viewer_by_id_across_workspaces
from inbox.store.store import Store
from inbox.store.transaction import Reading
from inbox.web.signals import typing_signal, viewing_signal
from inbox.web.socket_frames import DECODER, Ping, Resume, Typing, Watch

AGENT_FRAMES_PER_SECOND = 50
FIRST_FRAME_SECONDS = 5.0  # an agent's socket that never resumes holds a place for nothing
MAX_VIEWS = 4
MAX_CONVERSATIONS = 100

logger = structlog.get_logger()
Authenticate = Callable[[str, str], Awaitable[tuple[Viewer, str, str] | None]]


_PONG = text_frame(b'{"t":"pong"}')


class Place(msgspec.Struct, frozen=True):
    """What every agent socket of this process shares."""

    store: Store
    hub: Hub
    epoch: Callable[[], str]
    build: str
    app_origin: str
    authenticate: Authenticate
    signal: Callable[[str, str, bytes, object], None]


class AgentRoute:
    """Admits an upgrade of `/w/{slug}/live`: right origin, living session, a seat in that workspace."""

    rate = AGENT_FRAMES_PER_SECOND

    def __init__(self, place: Place) -> None:
        self.place = place

    def admit(self, request: Upgrade) -> Deny | Awaitable[Handler | Deny]:
        # A missing Origin is refused too: only a browser page of ours opens this socket with a cookie.
        if request.headers.get("origin") != self.place.app_origin:
            return Deny(403, "This socket is for pages of this desk only.")
        return self._seat(request)

    async def _seat(self, request: Upgrade) -> Handler | Deny:
        slug = request.path.split("/")[2]
        try:
            found = await self.place.authenticate(request.headers.get("cookie", ""), slug)
        except NotFound:
            return Deny(404, "There is no such workspace, or you have no seat in it.")
        if found is None:
            return Deny(401, "Sign in first.")
        viewer, name, locale = found
        return AgentSocket(self.place, viewer, name, locale)


class AgentSocket:
    """One tab of one agent."""

    __slots__ = (
        "__weakref__", "connection", "is_live", "locale", "name", "opened", "place", "pump", "subscriptions",
        "tasks", "viewer", "wants_head", "watching", "workspace_id",
    )  # fmt: skip
    rate = AGENT_FRAMES_PER_SECOND

    def __init__(self, place: Place, viewer: Viewer, name: str, locale: str) -> None:
        self.place = place
        self.viewer = viewer
        self.name = name
        self.locale = locale
        self.workspace_id = viewer.workspace_id
        self.subscriptions: dict[Key, Subscription] = {}
        self.watching: tuple[str, ...] = ()
        self.is_live = False
        self.wants_head = True
        self.pump: Pump | None = None
        self.connection: Connection
        self.tasks: set[asyncio.Task[None]] = set()
        self.opened: asyncio.TimerHandle | None = None

    def open(self, connection: Connection) -> None:
        self.connection = connection
        self.opened = asyncio.get_running_loop().call_later(FIRST_FRAME_SECONDS, self._too_quiet)
        self._spawn(self._join())

    def closed(self) -> None:
        self.is_live = False
        if self.opened:
            self.opened.cancel()
        for task in self.tasks:
            task.cancel()
        if self.pump is not None:
            self.place.hub.leave(self)
            for conversation_id in self.watching:
                self._say_viewing(conversation_id, on=False)

    def text(self, payload: bytes) -> None:
        try:
            frame = DECODER.decode(payload)
        except msgspec.ValidationError as error:
            unknown = "tag" in str(error) or "t` " in str(error) or "`t`" in str(error)
            self._refuse("unknown_type" if unknown else "bad_frame", "This frame is not in the protocol.")
            return
        except msgspec.DecodeError:
            self._refuse("bad_json", "A frame is one JSON object.")
            return
        if isinstance(frame, Ping):
            self.connection.send(_PONG)
        elif isinstance(frame, Resume):
            self._spawn(self._resume(frame))
        elif self.pump is None:
            self._refuse("not_resumed", "Send `resume` first.")
        elif isinstance(frame, Watch):
            self._spawn(self._watch(frame))
        else:
            self._typing(frame)

    def notice(self, events: list[Stamped]) -> None:
        for stamped in events:
            event = stamped.event
            if isinstance(event, SessionEnded) and event.session_id == self.viewer.session_id:
                self._end(4001, "signed out")
            elif isinstance(event, SeatChanged) and event.agent_id == self.viewer.agent_id:
                # Until it is known what the seat may see now, it sees nothing.
                self.is_live = False
                self._spawn(self._look_again())

    async def _join(self) -> None:
        self.pump = await self.place.hub.join(self)
        self._say(
            {
                "t": "hello",
                "epoch": self.place.epoch(),
                "head": self.pump.cursor,
                "build": self.place.build,
                "seat": self.viewer.agent_id,
            }
        )

    async def _resume(self, frame: Resume) -> None:
        if self.opened:
            self.opened.cancel()
            self.opened = None
        self.pump = self.pump or await self.place.hub.join(self)
        reason = await self._why_not(frame)
        if reason:
            self._reset(reason)
            return
        own = self._own_topics()
        self.subscriptions = {**own, **self.subscriptions}
        self._ask(frame.since, dict(self.subscriptions), lambda to: self._resumed(frame.since, to))

    async def _why_not(self, frame: Resume) -> str:
        if frame.epoch != self.place.epoch():
            return "epoch"
        kept, head = await self.place.store.read(_bounds, self.viewer)
        if frame.since + 1 < kept:
            return "too_old"
        if frame.since > head:
            return "ahead"
        return "too_far" if head - frame.since > CATCH_UP else ""

    def _resumed(self, since: int, to: int | None) -> None:
        if to is None:
            self._reset("too_far")
            return
        self.is_live = True
        self._say({"t": "head", "after": since, "to": to})

    async def _watch(self, frame: Watch) -> None:
        if len(frame.views) > MAX_VIEWS or len(frame.conversations) > MAX_CONVERSATIONS:
            self._refuse("bad_frame", "That is more than one socket may watch.")
            return
        try:
            views = [read_view(key) for key in frame.views]
        except InboxError as error:
            self._refuse("not_found", error.message)
            return
        seen = await self.place.store.read(conversations.visible_ids, self.viewer, frame.conversations)
        if len(seen) != len(set(frame.conversations)):
            self._refuse("not_found", "There is no such conversation, or it is not yours to see.")
        wanted = self._own_topics() | self._topics(views, [c for c in frame.conversations if c in seen])
        fresh = {key: s for key, s in wanted.items() if key not in self.subscriptions}
        self._change_viewing(tuple(c for c in frame.conversations if c in seen))
        self.subscriptions = wanted
        self._ask(frame.at, fresh, lambda to: self._watched(frame.n, to))

    def _watched(self, n: int, to: int | None) -> None:
        if to is None:
            self._reset("too_far")
        else:
            self._say({"t": "watching", "n": n, "head": to})

    def _ask(self, after: int, subscriptions: dict[Key, Subscription], done: Callable[[int | None], None]) -> None:
        assert self.pump is not None
        self.pump.requests.append(Request(self, after, subscriptions, done))
        self.pump.bell.set()

    def _own_topics(self) -> dict[Key, Subscription]:
        counts = Subscription(f"counts:{self.viewer.scope}", self.locale, viewer=self.viewer)
        seat = Subscription(f"seat:{self.viewer.agent_id}", self.locale, viewer=self.viewer)
        return {counts.key: counts, seat.key: seat}

    def _topics(self, views: list[View], ids: list[str]) -> dict[Key, Subscription]:
        lists = [Subscription(v.topic(self.viewer), self.locale, v, self.viewer) for v in views]
        opened = [Subscription(f"conversation:{i}", self.locale) for i in ids]
        return {s.key: s for s in [*lists, *opened]}

    async def _look_again(self) -> None:
        """The seat changed: what may it see now? Within a second it sees no more than that."""
        viewer = await self.place.store.read(viewer_by_id_across_workspaces, self.workspace_id, self.viewer.agent_id)
        if viewer is None:
            self._end(4003, "access ended")
            return
        self.viewer = msgspec.structs.replace(viewer, session_id=self.viewer.session_id)
        self.subscriptions = {}
        self._reset("access")

    def _typing(self, frame: Typing) -> None:
        if frame.conversation not in self.watching:
            self._refuse("not_found", "Watch the conversation first.")
            return
        topic = f"conversation:{frame.conversation}"
        signal = typing_signal(frame.conversation, self.viewer.agent_id, self.name, frame.paper)
        self.place.signal(self.workspace_id, topic, signal, self)
        if frame.paper == "reply" and may(self.viewer, Permission.REPLY):
            self._spawn(self._tell_visitor(frame.conversation))

    async def _tell_visitor(self, conversation_id: str) -> None:
        thread_id = await self.place.store.read(conversations.thread_of, self.viewer, conversation_id)
        frame = text_frame(msgspec.json.encode({"t": "typing", "name": self.name.split()[0], "on": True}))
        self.place.signal(self.workspace_id, f"thread:{thread_id}", frame, None)

    def _change_viewing(self, now: tuple[str, ...]) -> None:
        for conversation_id in set(self.watching) - set(now):
            self._say_viewing(conversation_id, on=False)
        for conversation_id in set(now) - set(self.watching):
            self._say_viewing(conversation_id, on=True)
        self.watching = now

    def _say_viewing(self, conversation_id: str, *, on: bool) -> None:
        signal = viewing_signal(conversation_id, self.viewer.agent_id, self.name, on)
        self.place.signal(self.workspace_id, f"conversation:{conversation_id}", signal, self)

    def _reset(self, reason: str) -> None:
        assert self.pump is not None
        self.is_live = False
        self._say({"t": "reset", "reason": reason, "head": self.pump.cursor, "epoch": self.place.epoch()})

    def _end(self, code: int, reason: str) -> None:
        self.is_live = False
        self.connection.close(code, reason)

    def _too_quiet(self) -> None:
        self._end(1008, "nothing to resume")

    def _refuse(self, code: str, message: str) -> None:
        self._say({"t": "error", "code": code, "message": message})

    def _say(self, frame: dict[str, Any]) -> None:
        self.connection.send(text_frame(msgspec.json.encode(frame)))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except InboxError as error:
            self._refuse(error.code, error.message)
        except Exception as error:
            logger.error("agent_socket_failed", error=type(error).__name__, exc_info=error)
            self._end(1011, "try again")


def _bounds(rx: Reading, viewer: Viewer) -> tuple[int, int]:
    return log.kept_from(rx, viewer.workspace_id), log.head(rx, viewer.workspace_id)
