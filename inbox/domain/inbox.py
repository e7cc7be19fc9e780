"""An Inbox: one configured instance of a channel."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, JSON_COLUMN, UtcDateTime

DEFAULT_TARGET_SECONDS = {"webchat": 45, "email": 14_400, "phone": 7_200}
OTHER_TARGET_SECONDS = 900


class Inbox(SQLModel, table=True):
    """`channel` names the file in channels/; `key` is public by design (it stands on customers' sites).

    `target_seconds` is the promised time to a first human reply; `config` belongs to the channel and is validated by it.
    `allowed_sites` is a list of origins that may embed the widget; empty allows any.
    """

    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    channel: str
    medium: str
    name: str
    key: str = Field(unique=True)
    target_seconds: int = OTHER_TARGET_SECONDS
    config: dict[str, Any] = Field(default_factory=dict, sa_type=JSON_COLUMN)
    allowed_sites: list[str] = Field(default_factory=list, sa_type=JSON_COLUMN)
    created_at: datetime = Field(sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
