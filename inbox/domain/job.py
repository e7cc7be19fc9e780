"""Work that waits, retries or touches the network."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, JSON_COLUMN, UtcDateTime


class Job(SQLModel, table=True):
    """`state` is ready, running, done or buried. `key` (when set) makes a second put of the same work a no-op.

    `fence` rises with every claim; a completion with an older fence changes nothing. `lease_owner` is the process's
    start id: on SQLite leases of other owners are void at boot, on PostgreSQL they run out at `lease_until`.
    """

    __table_args__ = (
        UniqueConstraint("workspace_id", "key"),
        Index("ix_job_ready", "state", "run_at"),
    )

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    kind: str
    key: str | None = None
    payload: dict[str, Any] = Field(default_factory=dict, sa_type=JSON_COLUMN)
    state: str = "ready"
    run_at: datetime = Field(sa_type=UtcDateTime)
    attempts: int = 0
    fence: int = 0
    lease_owner: str = ""
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = ""
    created_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
