"""A Conversation: one matter of one contact, from the first word to its resolution."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from inbox.domain.clock import micros
from inbox.domain.columns import ID, UtcDateTime, belongs_to
from inbox.domain.errors import BadInput, Conflict
from inbox.domain.events import ConversationState

REOPEN_DAYS = 7
REOPEN_DAYS_MAIL = 30
MAX_SNOOZE_DAYS = 365
LAST_MOMENT = 10**17  # microseconds, in the year 5138: turns "newest first" into ascending text


class Status(StrEnum):
    OPEN = "open"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


class Handled:
    """The verbs of a conversation, over its columns: shared by the stored model and by rows the intake loads in bulk."""

    if TYPE_CHECKING:
        id: str
        contact_id: str
        status: str
        assignee_id: str | None
        team_id: str | None
        inbox_ids: str
        latest_medium: str
        owed_since: datetime | None
        due_at: datetime | None
        target_seconds: int
        is_late: bool
        sort: str
        inbound_count: int
        last_message_id: str
        last_at: datetime
        last_inbound_at: datetime | None
        last_human_reply_at: datetime | None
        snoozed_until: datetime | None
        reopen_count: int
        resolved_at: datetime | None
        resolved_by: str
        merged_into_id: str | None

    def state(self) -> ConversationState:
        """What lists see of it just now."""
        return ConversationState(
            status=self.status,
            assignee_id=self.assignee_id,
            team_id=self.team_id,
            is_owed=self.owed_since is not None,
            due_us=None if self.due_at is None else micros(self.due_at),
            sort=self.sort,
            medium=self.latest_medium,
            inbox_ids=tuple(self.inbox_ids.split()),
            is_merged=self.merged_into_id is not None,
            is_late=self.is_late,
            contact_id=self.contact_id,
        )

    def touch(self, message_id: str, at: datetime) -> None:
        """Make this message the newest one."""
        self.last_message_id, self.last_at = message_id, max(at, self.last_at)
        self.resort()

    def resort(self) -> None:
        """Work out `due_at` and `sort` again after anything they depend on changed."""
        self.due_at = due_at(self.status, self.owed_since, self.target_seconds)
        if self.due_at is None:
            self.is_late = False
        self.sort = sort_key(self.due_at, self.last_at, self.id)

    def hear(self, message_id: str, said_at: datetime, at: datetime) -> None:
        """A customer message arrived: it is owed an answer from the moment the vendor says it was written."""
        self.inbound_count += 1
        self.last_inbound_at = at
        if self.owed_since is None:
            self.owed_since = min(said_at, at)
        self.touch(message_id, at)

    def answer(self, message_id: str, at: datetime) -> None:
        """A person's public reply left: nothing is owed any more."""
        self.owed_since = None
        self.last_human_reply_at = at
        self.touch(message_id, at)

    def assign(self, agent_id: str | None) -> None:
        self.assignee_id = agent_id

    def snooze(self, until: datetime, now: datetime) -> None:
        """Raises: BadInput for a moment in the past or over a year away, Conflict unless open."""
        if until <= now:
            raise BadInput("Choose a time that is still to come.", field="until")
        if until > now + timedelta(days=MAX_SNOOZE_DAYS):
            raise BadInput("Choose a time within a year.", field="until")
        self._require(Status.OPEN, Status.SNOOZED, verb="snoozed")
        self.status, self.snoozed_until = Status.SNOOZED, until
        self.resort()

    def wake(self) -> None:
        """Raises: Conflict unless snoozed."""
        self._require(Status.SNOOZED, verb="woken")
        self.status, self.snoozed_until = Status.OPEN, None
        self.resort()

    def resolve(self, by: str, at: datetime) -> None:
        """Raises: Conflict if it is resolved already."""
        self._require(Status.OPEN, Status.SNOOZED, verb="resolved")
        self.status, self.snoozed_until, self.owed_since = Status.RESOLVED, None, None
        self.resolved_at, self.resolved_by = at, by
        self.resort()

    def reopen(self, counts: bool) -> None:
        """Raises: Conflict unless resolved. `counts` only after a human reply or a "not yet" (decisions A4)."""
        self._require(Status.RESOLVED, verb="reopened")
        self.status, self.resolved_at, self.resolved_by = Status.OPEN, None, ""
        self.reopen_count += 1 if counts else 0
        self.resort()

    def may_reopen_by_message(self, at: datetime) -> bool:
        """Whether a customer message at `at` reopens this one (else it opens a new conversation)."""
        days = REOPEN_DAYS_MAIL if self.latest_medium == "email" else REOPEN_DAYS
        return self.resolved_at is not None and at - self.resolved_at <= timedelta(days=days)

    def _require(self, *allowed: Status, verb: str) -> None:
        if self.status not in allowed:
            raise Conflict(f"This conversation is {self.status}, so it cannot be {verb}.", status=self.status)


class LoadedConversation(Handled):
    """A conversation's row as a plain object: the message path handles hundreds at once, where the ORM would cost most of the time."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.__dict__.update(columns)


class Conversation(Handled, SQLModel, table=True):
    """`owed_since` is the time of the oldest customer message without a later human public reply: set means "needs us".

    `due_at` is `owed_since` plus the inbox's target. `sort` orders lists as text: due first, then the newest.
    `inbox_ids` (joined by spaces) are the inboxes of its threads: who may see one of them may see the conversation.
    `latest_medium` is that of the newest inbound message, `first_medium` where it began.
    """

    __table_args__ = (
        belongs_to("contact", "contact_id"),
        belongs_to("agent", "assignee_id"),
        belongs_to("team", "team_id"),
        belongs_to("conversation", "merged_into_id"),
        belongs_to("conversation", "previous_id"),
        Index("ix_conversation_list", "workspace_id", "status", "sort"),
        Index("ix_conversation_assignee", "workspace_id", "assignee_id", "status", "sort"),
        Index("ix_conversation_contact", "workspace_id", "contact_id"),
        Index("ix_conversation_snoozed", "workspace_id", "snoozed_until"),
        Index("ix_conversation_due", "status", "is_late", "due_at"),
    )

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    contact_id: str = Field(sa_type=ID)
    inbox_id: str = Field(sa_type=ID)
    thread_id: str = Field(sa_type=ID)
    inbox_ids: str = ""
    subject: str = ""
    status: str = "open"
    assignee_id: str | None = Field(default=None, sa_type=ID)
    team_id: str | None = Field(default=None, sa_type=ID)
    priority: int = 2
    language: str = ""
    reason: str = ""
    first_medium: str
    first_kind: str
    latest_medium: str
    latest_kind: str
    is_public: bool = False
    owed_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    target_seconds: int
    is_late: bool = False
    sort: str = ""
    inbound_count: int = 0
    last_message_id: str = Field(default="", sa_type=ID)
    last_at: datetime = Field(sa_type=UtcDateTime)
    last_inbound_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_human_reply_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    snoozed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reopen_count: int = 0
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_by: str = ""
    merged_into_id: str | None = Field(default=None, sa_type=ID)
    previous_id: str | None = Field(default=None, sa_type=ID)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Resolution(SQLModel, table=True):
    """How a conversation ended, once per ending. `said_by` (agent, customer, silence, rule) is never added up."""

    __table_args__ = (
        belongs_to("conversation", "conversation_id"),
        Index("ix_resolution_conversation", "workspace_id", "conversation_id"),
    )

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    conversation_id: str = Field(sa_type=ID)
    said_by: str
    agent_id: str | None = Field(default=None, sa_type=ID)
    ended_as: str = "answered"
    customer_says: str = "not_asked"
    outcome: str = ""
    at: datetime = Field(sa_type=UtcDateTime)
    undone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ConversationInbox(SQLModel, table=True):
    """The inboxes a conversation is seen through: one row per inbox of its threads."""

    __tablename__ = "conversation_inbox"
    __table_args__ = (
        belongs_to("conversation", "conversation_id", "CASCADE"),
        belongs_to("inbox", "inbox_id"),
        Index("ix_conversation_inbox_inbox", "workspace_id", "inbox_id", "conversation_id"),
    )

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    conversation_id: str = Field(primary_key=True, sa_type=ID)
    inbox_id: str = Field(primary_key=True, sa_type=ID)


class Participant(SQLModel, table=True):
    """Somebody let in beside the contact: an expert's seat, or another writer in public."""

    __table_args__ = (
        belongs_to("conversation", "conversation_id", "CASCADE"),
        Index("ix_participant_who", "workspace_id", "who_id"),
    )

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    conversation_id: str = Field(primary_key=True, sa_type=ID)
    who_id: str = Field(primary_key=True, sa_type=ID)
    who_kind: str
    at: datetime = Field(sa_type=UtcDateTime)


def due_at(status: str, owed_since: datetime | None, target_seconds: int) -> datetime | None:
    """When the promise runs out; None when no clock runs (nothing owed, or not open)."""
    if owed_since is None or status != Status.OPEN:
        return None
    return owed_since + timedelta(seconds=target_seconds)


def sort_key(due: datetime | None, last_at: datetime, conversation_id: str) -> str:
    """The place in every list as text: `0` + due time for those we owe, `1` + inverted last time for the rest."""
    if due is not None:
        return f"0{micros(due):018d}{conversation_id[:12]}{conversation_id[-4:]}"
    return f"1{LAST_MOMENT - micros(last_at):018d}{conversation_id[:12]}{conversation_id[-4:]}"
