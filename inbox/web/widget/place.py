"""What the visitors' sockets of one process share, and the questions they ask of a thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from inbox.channels.base import Malformed
from inbox.domain.cards import MessageCard
from inbox.domain.clock import Clock
from inbox.domain.errors import InboxError
from inbox.domain.events import ThreadEvent
from inbox.realtime.hub import Hub
from inbox.store import log, messages
from inbox.store.messages import ThreadNow
from inbox.store.store import Store
from inbox.store.transaction import Reading
from inbox.web.widget.frames import message_fields

MAX_SNAPSHOT = 60_000  # bytes, under the 64 KiB of a frame
REPLAY = 200  # public events; who missed more gets the transcript


class Door(msgspec.Struct, frozen=True):
    """A widget's inbox, as found by its public key."""

    workspace_id: str
    inbox_id: str
    brand: str
    is_demo: bool


class Place(msgspec.Struct, frozen=True):
    """What every visitor socket of this process shares."""

    store: Store
    hub: Hub
    epoch: Callable[[], str]
    build: str
    widget_origin: str
    secret: bytes
    clock: Clock
    door: Callable[[str], Awaitable[Door | None]]
    signal: Callable[[str, str, bytes, object], None]
    frames_per_second: int


Replayed = list[tuple[ThreadEvent, MessageCard | None]]


def replay_across_workspaces(rx: Reading, workspace_id: str, thread_id: str, since: int) -> Replayed | None:
    """A thread's public events after `since` with their messages; None when there is a hole or too many."""
    found = log.thread_since(rx, workspace_id, thread_id, since, REPLAY + 1)
    events = [s.event for s in found if isinstance(s.event, ThreadEvent)]
    if len(events) > REPLAY or [e.visitor_seq for e in events] != list(range(since + 1, since + 1 + len(events))):
        return None
    ids = {e.message_id for e in events if e.message_id}
    cards = messages.cards_for_drawing_across_workspaces(rx, workspace_id, ids) if ids else {}
    return [(e, cards.get(e.message_id)) for e in events]


def transcript_across_workspaces(
    rx: Reading, workspace_id: str, inbox_id: str, key: str
) -> tuple[ThreadNow | None, list[tuple[int, MessageCard]]]:
    thread = messages.thread_now_across_workspaces(rx, workspace_id, inbox_id, key)
    if thread is None:
        return None, []
    return thread, messages.transcript_across_workspaces(rx, workspace_id, thread.id)


def snapshot_across_workspaces(rx: Reading, workspace_id: str, inbox_id: str, key: str) -> bytes:
    """The `snapshot` frame's JSON; the oldest messages give way when it would not fit. Empty without a thread."""
    thread, entries = transcript_across_workspaces(rx, workspace_id, inbox_id, key)
    if thread is None:
        return b""
    shown = [{"n": n, **message_fields(card)} for n, card in entries]
    frame = {
        "t": "snapshot",
        "head": thread.visitor_seq,
        "status": "resolved" if thread.status == "resolved" else "open",
        "team_read": thread.team_read_seq,
    }
    while len(payload := msgspec.json.encode({**frame, "messages": shown})) > MAX_SNAPSHOT:
        shown = shown[len(shown) // 4 + 1 :]
    return payload


def refusal(error: BaseException) -> dict[str, Any]:
    """The fields of a `refused` frame: a code, what to do, and when to try again where that helps."""
    if isinstance(error, InboxError):
        fields: dict[str, Any] = {"code": error.code, "message": error.message}
        return fields if error.retry_after is None else {**fields, "retry_ms": int(error.retry_after * 1000)}
    if isinstance(error, Malformed):
        return {"code": "bad_input", "message": str(error)}
    return {"code": "internal", "message": "This could not be stored. It is kept here.", "retry_ms": 3000}
