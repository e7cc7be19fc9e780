"""One searchable entry. Its index is made by store/search.py in the same action."""

from __future__ import annotations

from sqlalchemy import Column, Identity, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from inbox.domain.columns import BIG_KEY, ID


class SearchEntry(SQLModel, table=True):
    """`n` orders hits (newest first) and is the row number of the text index. `search_text` is already folded."""

    __tablename__ = "search_entry"
    __table_args__ = (
        UniqueConstraint("workspace_id", "kind", "ref_id"),
        Index("ix_search_entry_conversation", "workspace_id", "conversation_id"),
    )

    n: int | None = Field(default=None, sa_column=Column(BIG_KEY, Identity(), primary_key=True))
    workspace_id: str = Field(foreign_key="workspace.id", sa_type=ID)
    kind: str
    ref_id: str = Field(sa_type=ID)
    conversation_id: str = Field(sa_type=ID)
    search_text: str
