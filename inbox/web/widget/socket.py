"""The visitors' socket: one token, one thread, a gapless number. Nothing is stored before the first message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import msgspec
import structlog

from inbox.actions.intake import Accepted, keys_of, receive_messages
from inbox.actions.reading import visitor_read
from inbox.channels import webchat
from inbox.channels.base import Malformed
from inbox.domain.clock import iso
from inbox.domain.errors import InboxError, NotAllowed
from inbox.domain.events import ContactBlocked, Stamped
from inbox.domain.ids import new_token
from inbox.domain.transit import Lane, Who
from inbox.realtime.hub import Key, Pump, Subscription
from inbox.realtime.wire import Connection, Deny, Handler, Upgrade, text_frame
from inbox.store import messages
from inbox.store.messages import ThreadNow
from inbox.web.signals import visitor_typing_signal
from inbox.web.widget.frames import event_frame
from inbox.web.widget.place import Door, Place, refusal, replay_across_workspaces, snapshot_across_workspaces
from inbox.web.widget.socket_frames import DECODER, Hello, Ping, Read, Send, Typing

FIRST_FRAME_SECONDS = 5.0
CATCH_UP_BYTES = 128 * 1024

logger = structlog.get_logger()


_PONG = text_frame(b'{"t":"pong"}')


_NOTHING: dict[Key, Subscription] = {}


class VisitorRoute:
    """Admits an upgrade of `/widget/{key}/live` from the widget's own origin."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.rate = place.frames_per_second

    def admit(self, request: Upgrade) -> Deny | Awaitable[Handler | Deny]:
        if request.headers.get("origin") != self.place.widget_origin:
            return Deny(403, "This socket is for the widget only.")
        return self._enter(request)

    async def _enter(self, request: Upgrade) -> Handler | Deny:
        door = await self.place.door(request.path.split("/")[2])
        if door is None:
            return Deny(404, "There is no such widget.")
        return VisitorSocket(self.place, door)


class VisitorSocket:
    """One open widget. Idle ones are many: everything is in slots, nothing runs for them."""

    __slots__ = (
        "__weakref__", "connection", "conversation_id", "door", "held", "is_live", "opened", "place", "pump",
        "subscriptions", "thread_id", "visitor_id", "contact_id",
    )  # fmt: skip
    wants_head = False

    def __init__(self, place: Place, door: Door) -> None:
        self.place = place
        self.door = door
        self.visitor_id = ""
        self.thread_id = ""
        self.contact_id = ""
        self.conversation_id = ""
        self.is_live = False
        self.subscriptions: dict[Key, Subscription] = _NOTHING
        self.pump: Pump | None = None
        self.held: asyncio.Task[None] | None = None
        self.connection: Connection
        self.opened: asyncio.TimerHandle | None = None

    @property
    def workspace_id(self) -> str:
        return self.door.workspace_id

    def open(self, connection: Connection) -> None:
        self.connection = connection
        self.opened = asyncio.get_running_loop().call_later(FIRST_FRAME_SECONDS, self._too_quiet)

    def closed(self) -> None:
        self.is_live = False
        if self.opened:
            self.opened.cancel()
            self.opened = None
        if self.pump is not None:
            self.place.hub.leave(self)

    def text(self, payload: bytes) -> None:
        try:
            frame = DECODER.decode(payload)
        except msgspec.ValidationError as error:
            unknown = "`t`" in str(error) or "tag" in str(error)
            self._refuse("unknown_type" if unknown else "bad_frame", "This frame is not in the protocol.")
            return
        except msgspec.DecodeError:
            self._refuse("bad_json", "A frame is one JSON object.")
            return
        if isinstance(frame, Ping):
            self.connection.send(_PONG)
        elif isinstance(frame, Hello):
            self._spawn(self._hello(frame))
        elif not self.visitor_id:
            self._refuse("not_resumed", "Send `hello` first.")
        elif isinstance(frame, Send):
            self._send(frame)
        elif isinstance(frame, Typing):
            self._typing()
        elif isinstance(frame, Read):
            self._spawn(self._read(frame.n))
        else:
            self._spawn(self._replay(frame.n))

    def notice(self, events: list[Stamped]) -> None:
        for stamped in events:
            event = stamped.event
            if isinstance(event, ContactBlocked) and event.is_blocked and event.contact_id == self.contact_id:
                self.connection.close(4006, "blocked")

    async def _hello(self, frame: Hello) -> None:
        if self.opened:
            self.opened.cancel()
            self.opened = None
        now = self.place.clock()
        known = webchat.read_token(frame.token, self.place.secret, now) if frame.token else None
        if known is not None and (known.workspace_id, known.inbox_id) != (
            self.door.workspace_id,
            self.door.inbox_id,
        ):
            known = None
        self.visitor_id = known.visitor_id if known else new_token()
        thread = await self._thread() if known else None
        if thread is not None and thread.is_blocked:
            self.connection.close(4006, "blocked")
            return
        visitor = webchat.Visitor(self.door.workspace_id, self.door.inbox_id, self.visitor_id, int(now.timestamp()))
        self._say(
            {
                "t": "welcome",
                "token": webchat.issue(visitor, self.place.secret),
                "epoch": self.place.epoch(),
                "build": self.place.build,
                "head": thread.visitor_seq if thread else 0,
                "known": thread is not None,
                "brand": self.door.brand,
            }
        )
        if thread is None:
            self._say({"t": "snapshot", "head": 0, "messages": [], "status": "", "team_read": 0})
            return
        await self._follow(thread)
        can_resume = frame.epoch == self.place.epoch() and 0 < frame.since <= thread.visitor_seq
        if not can_resume or not await self._replay(frame.since):
            await self._snapshot()

    async def _thread(self) -> ThreadNow | None:
        return await self.place.store.read(
            messages.thread_now_across_workspaces, self.door.workspace_id, self.door.inbox_id, self.visitor_id
        )

    async def _follow(self, thread: ThreadNow) -> None:
        self.thread_id = thread.id
        self.contact_id = thread.contact_id
        self.conversation_id = thread.conversation_id or ""
        key = Subscription(f"thread:{thread.id}", "")
        self.subscriptions = {key.key: key}
        if self.pump is None:
            self.pump = await self.place.hub.join(self)
        self.is_live = True

    async def _replay(self, since: int) -> bool:
        """Send what came after `since`; False when the log has it no more, or it is too much."""
        if not self.thread_id:
            return False
        found = await self.place.store.read(replay_across_workspaces, self.workspace_id, self.thread_id, since)
        if found is None:
            await self._snapshot()
            return True
        parts = [event_frame(event, card) for event, card in found]
        if sum(map(len, parts)) > CATCH_UP_BYTES:
            await self._snapshot()
        elif parts:
            self.connection.send(b"".join(parts))
        return True

    async def _snapshot(self) -> None:
        payload = await self.place.store.read(
            snapshot_across_workspaces, self.workspace_id, self.door.inbox_id, self.visitor_id
        )
        if payload:
            self.connection.send(text_frame(payload))

    def _send(self, frame: Send) -> None:
        """Hand the message to the writer; the ack goes out only after its commit."""
        try:
            received = webchat.read(webchat.Frame(frame.client_id, frame.text, self.visitor_id, frame.page, frame.name))
            keys = keys_of(self.door.inbox_id, received)
            if self.conversation_id:
                keys = (*keys, f"conversation:{self.conversation_id}")
            future = self.place.store.submit(
                receive_messages,
                self.door.inbox_id,
                received,
                who=Who(self.door.workspace_id, "contact"),
                keys=keys,
                lane=Lane.INTAKE,
            )
        except (Malformed, InboxError) as error:
            self._answer(frame.client_id, error)
            return
        future.add_done_callback(lambda done: self._stored(frame.client_id, done))

    def _stored(self, client_id: str, done: asyncio.Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            self._answer(client_id, error)
            return
        accepted: Accepted = done.result()
        self._say(
            {
                "t": "ack",
                "client_id": client_id,
                "message_id": accepted.message_id,
                "n": accepted.visitor_seq,
                "at": iso(accepted.at),
            }
        )
        self.conversation_id = accepted.conversation_id
        if not self.thread_id:
            self._spawn(self._begin(accepted))

    async def _begin(self, accepted: Accepted) -> None:
        """The first message made the thread: follow it, and send what the pump showed before we listened."""
        thread = await self._thread()
        if thread is not None and not self.thread_id:
            await self._follow(thread)
            await self._replay(0)

    def _answer(self, client_id: str, error: BaseException) -> None:
        if isinstance(error, NotAllowed):
            self.connection.close(4006, "blocked")
        else:
            self._say({"t": "refused", "client_id": client_id, **refusal(error)})

    def _typing(self) -> None:
        if self.conversation_id:
            frame = visitor_typing_signal(self.conversation_id, "")
            self.place.signal(self.workspace_id, f"conversation:{self.conversation_id}", frame, self)

    async def _read(self, n: int) -> None:
        if self.thread_id and self.conversation_id:
            await self.place.store.write(
                visitor_read,
                self.thread_id,
                n,
                who=Who(self.door.workspace_id, "contact"),
                keys=(f"conversation:{self.conversation_id}",),
                lane=Lane.INTAKE,
            )

    def _too_quiet(self) -> None:
        self.connection.close(1008, "say hello first")

    def _refuse(self, code: str, message: str) -> None:
        self._say({"t": "error", "code": code, "message": message})

    def _say(self, frame: dict[str, Any]) -> None:
        self.connection.send(text_frame(msgspec.json.encode(frame)))

    def _spawn(self, work: Any) -> None:
        previous, self.held = self.held, None
        self.held = asyncio.get_running_loop().create_task(self._in_turn(previous, work))

    async def _in_turn(self, previous: asyncio.Task[None] | None, work: Awaitable[Any]) -> None:
        if previous is not None and not previous.done():
            await asyncio.wait([previous])
        try:
            await work
        except InboxError as error:
            self._refuse(error.code, error.message)
        except Exception as error:
            logger.error("visitor_socket_failed", error=type(error).__name__, exc_info=error)
            self.connection.close(1011, "try again")
