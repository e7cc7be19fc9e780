"""What was said: inbound, outbound, notes, and the lines that tell what happened."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, JSON_COLUMN, UtcDateTime, belongs_to

MAX_BODY = 20_000  # characters an agent may write in one message
MAX_VISITOR_TEXT = 8_000  # characters in one visitor frame; a frame holds 64 KiB and UTF-8 takes up to four bytes


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    NOTE = "note"
    SYSTEM = "system"


class DeliveryState(StrEnum):
    HELD = "held"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Message(SQLModel, table=True):
    """One entry of a thread.

    The two unique keys are the product's memory: the vendor's id per inbox (one message in, one message stored) and the
    author's client_id (a browser that sends again is answered with the first result).
    `thread_id` and `inbox_id` are None only for system lines and notes of no line. `visitor_seq` is set on public entries.
    """

    __table_args__ = (
        belongs_to("conversation", "conversation_id"),
        belongs_to("thread", "thread_id"),
        UniqueConstraint("workspace_id", "inbox_id", "external_id"),
        UniqueConstraint("workspace_id", "author_kind", "author_id", "client_id"),
        Index("ix_message_conversation", "workspace_id", "conversation_id", "id"),
        Index("ix_message_thread", "workspace_id", "thread_id", "visitor_seq"),
    )

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    conversation_id: str = Field(sa_type=ID)
    thread_id: str | None = Field(default=None, sa_type=ID)
    inbox_id: str | None = Field(default=None, sa_type=ID)
    direction: str
    kind: str = "text"
    author_kind: str
    author_id: str = ""
    client_id: str | None = None
    external_id: str | None = None
    body: str = ""
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JSON_COLUMN)
    visitor_seq: int | None = None
    state: str = ""
    reason: str = ""
    reply_to_id: str | None = Field(default=None, sa_type=ID)
    created_at: datetime = Field(sa_type=UtcDateTime)
    vendor_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Attachment(SQLModel, table=True):
    """A file of a message. `token` (128 random bits and more) is what a link carries; `sha256` names the stored bytes."""

    __table_args__ = (
        belongs_to("message", "message_id", "CASCADE"),
        Index("ix_attachment_message", "workspace_id", "message_id"),
        Index("ix_attachment_bytes", "sha256"),
    )

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    message_id: str | None = Field(default=None, sa_type=ID)
    token: str = Field(unique=True)
    name: str
    media_type: str
    size: int
    sha256: str
    created_at: datetime = Field(sa_type=UtcDateTime)
