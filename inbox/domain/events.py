"""Every durable change, by name. An Event carries ids, enums and closed fields before and after: never text, names or addresses."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, UtcDateTime


class ConversationState(msgspec.Struct, frozen=True, array_like=True):
    """The columns lists filter and sort by. Two of them (before, after) tell every open list what to do."""

    status: str
    assignee_id: str | None
    team_id: str | None
    is_owed: bool
    due_us: int | None
    sort: str
    medium: str
    inbox_ids: tuple[str, ...]
    is_merged: bool = False
    is_late: bool = False
    contact_id: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all. `public` ones are part of a visitor's own numbering."""

    public: ClassVar[bool] = False
    drawn: ClassVar[bool] = True

    @classmethod
    def type_name(cls) -> str:
        """The class name in snake case: `message_received`."""
        return TYPE_NAMES[cls]

    def topics(self) -> tuple[str, ...]:
        """Topics, beside lists and counts, whose watchers see this event drawn."""
        return ()


class ConversationEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Something happened to a conversation. `message_id` is the entry of the timeline that shows it."""

    conversation_id: str
    message_id: str = ""
    before: ConversationState | None = None
    after: ConversationState | None = None

    def topics(self) -> tuple[str, ...]:
        return (f"conversation:{self.conversation_id}",)


class ThreadEvent(ConversationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation event that its visitor sees too: the `visitor_seq`-th of that thread."""

    public: ClassVar[bool] = True

    thread_id: str = ""
    visitor_seq: int = 0

    def topics(self) -> tuple[str, ...]:
        return (f"conversation:{self.conversation_id}", f"thread:{self.thread_id}")


class ConversationOpened(ConversationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A first message made a new conversation."""

    previous_id: str = ""


class MessageReceived(ThreadEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A customer wrote."""

    contact_id: str


class ReplyWritten(ThreadEvent, frozen=True, kw_only=True, omit_defaults=True):
    """One of us answered the customer."""

    agent_id: str


class NoteAdded(ConversationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """One of us wrote to the team."""

    agent_id: str


class DeliveryChanged(ConversationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An outbound message moved on: sending, sent, delivered, read, failed, unknown."""

    state: str


class ConversationAssigned(ConversationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The conversation went to an agent, or to nobody."""

    agent_id: str | None = None


class ConversationSnoozed(ConversationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Put away until a moment."""

    until: datetime


class SnoozeEnded(ConversationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Back in the open list: its time came, somebody woke it, or the customer wrote."""

    why: str


class ConversationResolved(ThreadEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Ended. `said_by` is agent, customer, silence or rule: kept apart, never added up."""

    resolution_id: str
    said_by: str


class ConversationReopened(ThreadEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Open again, by a message, a person or a "not yet"."""

    why: str


class ThreadReadByVisitor(ThreadEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The customer has seen everything up to `upto` of their own numbering."""

    upto: int


class ThreadReadByTeam(ThreadEvent, frozen=True, kw_only=True, omit_defaults=True):
    """One of us has seen everything up to `upto` of the visitor's numbering."""

    drawn: ClassVar[bool] = False
    upto: int


class ConversationBecameLate(ConversationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The promised time to answer passed."""


class ContactNamed(ConversationEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A contact has another name now; drawn in this conversation of theirs."""

    contact_id: str


class ReadMarkMoved(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A seat has seen `inbound` messages of a conversation, on one of its devices."""

    agent_id: str
    conversation_id: str
    inbound: int

    def topics(self) -> tuple[str, ...]:
        return (f"seat:{self.agent_id}",)


class SeatChanged(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A seat's role, scope or life changed; its open sockets are asked anew what they may see."""

    drawn: ClassVar[bool] = False
    agent_id: str


class SessionEnded(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A browser was signed out, here or from afar; its sockets close."""

    drawn: ClassVar[bool] = False
    agent_id: str
    session_id: str


class ContactBlocked(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A contact is blocked (or let in again); their sockets close."""

    drawn: ClassVar[bool] = False
    contact_id: str
    is_blocked: bool


class InboxChanged(Event, frozen=True, kw_only=True, omit_defaults=True):
    """An inbox was made, changed or switched off."""

    drawn: ClassVar[bool] = False
    inbox_id: str


class TeamChanged(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A team was made, changed or removed."""

    drawn: ClassVar[bool] = False
    team_id: str


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _leaves(cls: type[Event]) -> list[type[Event]]:
    below = [leaf for child in cls.__subclasses__() for leaf in _leaves(child)]
    return below or [cls]


EVENT_TYPES: dict[str, type[Event]] = {_snake(cls.__name__): cls for cls in _leaves(Event)}
TYPE_NAMES: dict[type[Event], str] = {cls: name for name, cls in EVENT_TYPES.items()}
_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {name: msgspec.json.Decoder(cls) for name, cls in EVENT_TYPES.items()}


def encode(event: Event) -> str:
    """The stored form of an event's fields."""
    return _ENCODER.encode(event).decode()


def decode(type_name: str, data: str) -> Event | None:
    """The event a row holds; None for a name this build does not know (a newer process wrote it)."""
    decoder = _DECODERS.get(type_name)
    if decoder is None:
        return None
    event: Event = decoder.decode(data)
    return event


class Stamped(msgspec.Struct, frozen=True):
    """An event with its place in the order of changes."""

    workspace_id: str
    seq: int
    at: datetime
    actor_kind: str
    actor_id: str
    event: Event | None
    type_name: str


class EventRow(SQLModel, table=True):
    """The log: kept 30 days, read by seq, or by a visitor's own number."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_thread", "workspace_id", "thread_id", "visitor_seq"),)

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    seq: int = Field(primary_key=True)
    type: str
    at: datetime = Field(sa_type=UtcDateTime)
    actor_kind: str
    actor_id: str = ""
    thread_id: str | None = Field(default=None, sa_type=ID)
    visitor_seq: int | None = None
    data: str = Field(sa_type=Text)
