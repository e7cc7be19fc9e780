"""Who signs in: users, their sessions, invites and resets. A seat in a workspace is an Agent."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from inbox.domain.columns import ID, UtcDateTime, belongs_to


class User(SQLModel, table=True):
    """`email` is stored in lower case: it is what a person types. `password_hash` empty means: cannot sign in by password."""

    id: str = Field(primary_key=True, sa_type=ID)
    email: str = Field(unique=True, max_length=320)
    name: str
    password_hash: str = ""
    locale: str = ""
    theme: str = ""
    created_at: datetime = Field(sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Session(SQLModel, table=True):
    """One signed-in browser. Only the hash of its token is kept; `csrf` is the token its forms carry."""

    id: str = Field(primary_key=True, sa_type=ID)
    token_hash: str = Field(unique=True)
    user_id: str = Field(foreign_key="user.id", index=True, sa_type=ID)
    csrf: str
    user_agent: str = ""
    network: str = ""
    created_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class PasswordReset(SQLModel, table=True):
    """A one-time link to choose a new password, valid for an hour."""

    __tablename__ = "password_reset"

    id: str = Field(primary_key=True, sa_type=ID)
    token_hash: str = Field(unique=True)
    user_id: str = Field(foreign_key="user.id", sa_type=ID)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Invite(SQLModel, table=True):
    """A one-time link to a seat, valid for 72 hours."""

    __table_args__ = (belongs_to("agent", "invited_by_id"),)

    workspace_id: str = Field(primary_key=True, foreign_key="workspace.id", sa_type=ID)
    id: str = Field(primary_key=True, sa_type=ID)
    token_hash: str = Field(unique=True)
    email: str
    name: str = ""
    role: str
    inbox_ids: str = ""
    invited_by_id: str | None = Field(default=None, sa_type=ID)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
