"""People who write to us, and the addresses they write from."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, UtcDateTime, belongs_to


class Contact(SQLModel, table=True):
    """A person. A merge is a pointer (`merged_into_id`); nothing moves."""

    __table_args__ = (belongs_to("contact", "merged_into_id"),)

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    name: str
    language: str = ""
    city: str = ""
    is_robot: bool = False
    merged_into_id: str | None = Field(default=None, sa_type=ID)
    created_at: datetime = Field(sa_type=UtcDateTime)
    blocked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ContactIdentity(SQLModel, table=True):
    """A contact's address on one inbox. `grade` is anonymous, says or proven (never a guess)."""

    __tablename__ = "contact_identity"
    __table_args__ = (
        belongs_to("contact", "contact_id"),
        belongs_to("inbox", "inbox_id"),
        UniqueConstraint("workspace_id", "inbox_id", "address"),
        Index("ix_contact_identity_contact", "workspace_id", "contact_id"),
    )

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    inbox_id: str = Field(sa_type=ID)
    contact_id: str = Field(sa_type=ID)
    medium: str
    address: str
    grade: str = "anonymous"
    created_at: datetime = Field(sa_type=UtcDateTime)
