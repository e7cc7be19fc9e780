"""A Thread: one line between an identity and an inbox, numbered for the visitor who reads it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, UtcDateTime, belongs_to


class Thread(SQLModel, table=True):
    """`external_key` is the vendor's name for the line. `current_conversation_id` is where its next message lands: one column,
    so that a thread cannot have two open conversations whatever races.

    `visitor_seq` counts its public events without a gap; `visitor_read_seq` and `team_read_seq` say how far each side has read.
    """

    __table_args__ = (
        belongs_to("inbox", "inbox_id"),
        belongs_to("contact_identity", "identity_id"),
        UniqueConstraint("workspace_id", "inbox_id", "external_key"),
        Index("ix_thread_conversation", "workspace_id", "current_conversation_id"),
    )

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    inbox_id: str = Field(sa_type=ID)
    identity_id: str = Field(sa_type=ID)
    external_key: str
    kind: str
    is_public: bool = False
    window_closes_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    current_conversation_id: str | None = Field(default=None, sa_type=ID)
    visitor_seq: int = 0
    visitor_read_seq: int = 0
    team_read_seq: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
