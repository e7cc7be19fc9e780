"""Who did what, from where: one row per change, never any text."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, UtcDateTime


class Audit(SQLModel, table=True):
    """`action` is the verb's name, `subject` the id it was done to. `network` is an address cut to /24 or /48."""

    __table_args__ = (Index("ix_audit_at", "workspace_id", "at"),)

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    at: datetime = Field(sa_type=UtcDateTime)
    actor_kind: str
    actor_id: str = ""
    action: str
    subject: str = ""
    network: str = ""
