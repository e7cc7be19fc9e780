"""What the timers ask."""

from __future__ import annotations

from sqlmodel import col, or_, select

from inbox.domain.conversation import Conversation, Status
from inbox.domain.workspace import Workspace
from inbox.store.transaction import Reading


def due_workspaces_across_workspaces(rx: Reading) -> list[str]:
    """Workspaces in which a promise ran out or a snooze ended."""
    late = (
        (col(Conversation.status) == Status.OPEN)
        & col(Conversation.is_late).is_(False)
        & (col(Conversation.due_at) <= rx.now)
    )
    over = (col(Conversation.status) == Status.SNOOZED) & (col(Conversation.snoozed_until) <= rx.now)
    return list(rx.session.exec(select(Conversation.workspace_id).where(or_(late, over)).distinct()))


def workspace_ids_across_workspaces(rx: Reading) -> list[str]:
    return list(rx.session.exec(select(Workspace.id)))
