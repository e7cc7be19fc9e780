"""Event to visitor JSON: the closed table of what a visitor may see, each with its number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from inbox.domain.cards import MessageCard
from inbox.domain.clock import iso
from inbox.domain.events import (
    ConversationReopened,
    ConversationResolved,
    Event,
    MessageReceived,
    ReplyWritten,
    Stamped,
    ThreadEvent,
    ThreadReadByTeam,
    ThreadReadByVisitor,
)
from inbox.realtime.hub import Key, Subscription
from inbox.realtime.wire import text_frame

Fields = dict[str, Any]


def message_fields(card: MessageCard) -> Fields:
    """A message as its visitor sees it: first name only, never an id of ours beside its own."""
    from_visitor = card.direction == "inbound"
    name = "" if from_visitor or card.author is None else card.author.name.split()[0]
    fields: Fields = {
        "id": card.id,
        "from": "you" if from_visitor else "team",
        "name": name,
        "initials": "" if from_visitor or card.author is None else card.author.initials,
        "hue": 0 if card.author is None else card.author.hue,
        "text": card.body,
        "at": iso(card.at),
    }
    if from_visitor:
        fields["client_id"] = card.client_id
    return fields


def _message(event: Any, card: MessageCard | None) -> Fields:
    if card is None:  # erased meanwhile: the number stays, the words are gone
        return {"e": "gone"}
    return {"e": "message", **message_fields(card)}


def _status(status: str) -> Callable[[Any, MessageCard | None], Fields]:
    return lambda event, card: {"e": "status", "status": status}


def _read(side: str) -> Callable[[Any, MessageCard | None], Fields]:
    return lambda event, card: {"e": f"{side}_read", "upto": event.upto}


TABLE: dict[type[Event], Callable[[Any, MessageCard | None], Fields]] = {
    MessageReceived: _message,
    ReplyWritten: _message,
    ConversationResolved: _status("resolved"),
    ConversationReopened: _status("open"),
    ThreadReadByTeam: _read("team"),
    ThreadReadByVisitor: _read("visitor"),
}


def event_frame(event: ThreadEvent, card: MessageCard | None) -> bytes:
    """One encoded `event` frame."""
    return text_frame(msgspec.json.encode({"t": "event", "n": event.visitor_seq, **TABLE[type(event)](event, card)}))


def draw(
    events: list[Stamped], cards: Mapping[str, MessageCard], wanted: Mapping[Key, Subscription]
) -> dict[Key, bytes]:
    """Frames for the threads somebody is connected to."""
    found: dict[Key, list[bytes]] = {}
    for stamped in events:
        event = stamped.event
        if isinstance(event, ThreadEvent) and event.visitor_seq and type(event) in TABLE:
            key = (f"thread:{event.thread_id}", "")
            if key in wanted:
                found.setdefault(key, []).append(event_frame(event, cards.get(event.message_id)))
    return {key: b"".join(parts) for key, parts in found.items()}
