"""Seats: who a user is inside one workspace, in which teams, seeing which inboxes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, UtcDateTime, belongs_to


class Agent(SQLModel, table=True):
    """A seat. `role` is one of access.Role. `sees_all_inboxes` false means: only those in SeatInbox.

    `presence` is available, away or offline. `is_robot` marks the demo's robots (their names say so too).
    """

    __table_args__ = (UniqueConstraint("workspace_id", "user_id"),)

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    user_id: str = Field(foreign_key="user.id", index=True, sa_type=ID)
    name: str
    role: str
    is_senior: bool = False
    is_trainee: bool = False
    is_robot: bool = False
    sees_all_inboxes: bool = True
    presence: str = "available"
    capacity: int = 3
    languages: str = ""
    created_at: datetime = Field(sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SeatInbox(SQLModel, table=True):
    """Scope: this seat may see this inbox."""

    __tablename__ = "seat_inbox"
    __table_args__ = (belongs_to("agent", "agent_id", "CASCADE"), belongs_to("inbox", "inbox_id", "CASCADE"))

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    agent_id: str = Field(primary_key=True, sa_type=ID)
    inbox_id: str = Field(primary_key=True, sa_type=ID)


class Team(SQLModel, table=True):
    """`is_expert` teams are only reached by escalation."""

    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    name: str
    is_expert: bool = False
    created_at: datetime = Field(sa_type=UtcDateTime)


class TeamMember(SQLModel, table=True):
    """A seat belongs to a team."""

    __tablename__ = "team_member"
    __table_args__ = (belongs_to("team", "team_id", "CASCADE"), belongs_to("agent", "agent_id", "CASCADE"))

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    team_id: str = Field(primary_key=True, sa_type=ID)
    agent_id: str = Field(primary_key=True, sa_type=ID)


class ReadMark(SQLModel, table=True):
    """How many inbound messages of a conversation this seat has seen; unread is the difference to its inbound_count."""

    __tablename__ = "read_mark"
    __table_args__ = (
        belongs_to("agent", "agent_id", "CASCADE"),
        belongs_to("conversation", "conversation_id", "CASCADE"),
    )

    workspace_id: str = Field(primary_key=True, sa_type=ID)
    agent_id: str = Field(primary_key=True, sa_type=ID)
    conversation_id: str = Field(primary_key=True, sa_type=ID)
    inbound: int = 0
