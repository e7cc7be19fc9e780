"""A company's house: everything else belongs to exactly one."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, UtcDateTime


class Workspace(SQLModel, table=True):
    """`slug` stands in every URL. `is_demo` opens one-click sign-in."""

    id: str = Field(primary_key=True, sa_type=ID)
    slug: str = Field(unique=True, max_length=63)
    name: str
    locale: str = "en"
    timezone: str = "UTC"
    is_demo: bool = False
    created_at: datetime = Field(sa_type=UtcDateTime)


class LogHead(SQLModel, table=True):
    """The counter row of a workspace: `seq` of its newest event, `kept_from` the oldest one still in the log."""

    __tablename__ = "log_head"

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    seq: int = 0
    kept_from: int = 1


class Epoch(SQLModel, table=True):
    """Names this life of the database. It changes on restore and when the file was copied by hand."""

    id: int = Field(primary_key=True)
    value: str
    at: datetime = Field(sa_type=UtcDateTime)
