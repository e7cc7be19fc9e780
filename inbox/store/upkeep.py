"""What the timers ask: where time has made something true."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists
from sqlmodel import col, or_, select

from inbox.domain.conversation import Conversation, Status
from inbox.domain.delivery import Receipt
from inbox.domain.message import Attachment
from inbox.domain.workspace import Workspace
from inbox.store.transaction import Reading


def due_workspaces_across_workspaces(rx: Reading) -> list[str]:
    """Workspaces in which a promise ran out or a snooze ended. Asked each second: one look into an index per workspace."""
    own = col(Conversation.workspace_id) == col(Workspace.id)
    late = exists().where(
        own,
        col(Conversation.status) == Status.OPEN,
        col(Conversation.is_late).is_(False),
        col(Conversation.due_at) <= rx.now,
    )
    over = exists().where(own, col(Conversation.snoozed_until) <= rx.now, col(Conversation.status) == Status.SNOOZED)
    return list(rx.session.exec(select(Workspace.id).where(or_(late, over))))


def workspace_ids_across_workspaces(rx: Reading) -> list[str]:
    return list(rx.session.exec(select(Workspace.id)))


def named_files_across_workspaces(rx: Reading, sums: Sequence[str]) -> set[str]:
    """Which of these SHA-256 sums a row still names."""
    attached = select(Attachment.sha256).where(col(Attachment.sha256).in_(sums))
    # Small raw receipts stand in their row; only the others are files.
    raw = select(Receipt.sha256).where(col(Receipt.sha256).in_(sums), col(Receipt.raw).is_(None))
    return {*rx.session.exec(attached), *rx.session.exec(raw)}
